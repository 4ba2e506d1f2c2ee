#include "plan/data_flow.h"

#include <catch2/catch.hpp>

#include <set>
#include <vector>

using namespace sluice;

namespace {

using Steps = std::vector<Step>;
using Numbers = std::set<std::size_t>;

Buffer at(Memory memory, int index) {
    Buffer buffer;
    buffer.memory = memory;
    buffer.index = index;
    return buffer;
}

Buffer block(int index) { return at(Memory::arena, index); }

/// A step that reads and writes these.
Step step(const std::vector<Buffer>& read, const std::vector<Buffer>& written) {
    Step made;
    made.arguments.assign(read.begin(), read.end());
    made.arguments.insert(made.arguments.end(), written.begin(), written.end());
    made.first_output = int(read.size());
    return made;
}

/// The same where the number in this block is `number`.
Step chosen(int by, std::int32_t number, Step step) {
    step.choice = Choice{block(by), number};
    return step;
}

}  // namespace

TEST_CASE("a step reads what wrote its memory last, inputs, and no constants") {
    const Steps steps = {
        step({at(Memory::input, 1), at(Memory::constants, 0)}, {block(0)}),
        step({block(0)}, {block(1)}),
        // Block 1 has been read when it is written again, from what is in it.
        step({block(1)}, {block(1)}),
        step({block(1), block(0)}, {at(Memory::output, 0)}),
    };
    const std::vector<DataFlow> flows = data_flow(steps);
    REQUIRE(flows.size() == 4);
    CHECK(flows[0].reads.empty());
    CHECK(flows[0].inputs == std::set<int>{1});
    CHECK(flows[1].reads == Numbers{0});
    CHECK(flows[2].reads == Numbers{1});
    CHECK(flows[3].reads == Numbers{0, 2});
    CHECK(flows[3].outputs == std::set<int>{0});
    CHECK(flows[2].outputs.empty());
}

TEST_CASE(
    "steps that write parts of a block are all read, those that fill what they have not read too") {
    const Steps steps = {step({}, {block(0)}), step({}, {block(0)}), step({block(0)}, {block(1)})};
    CHECK(data_flow(steps)[2].reads == Numbers{0, 1});
}

TEST_CASE("a list's length and outputs are read as arguments are") {
    Step walks = step({block(1)}, {block(2)});
    walks.list.argument = 0;
    walks.list.count = block(3);
    walks.list.outputs = block(4);
    const Steps steps = {step({}, {block(1)}), step({}, {block(3)}), step({}, {block(4)}), walks};
    CHECK(data_flow(steps)[3].reads == Numbers{0, 1, 2});
    walks.list.static_count = 7;  // then no length is read
    CHECK(data_flow(Steps{steps[0], steps[1], steps[2], walks})[3].reads == Numbers{0, 2});
}

TEST_CASE("ways of which one run takes one read nothing of each other's") {
    const Steps steps = {
        step({}, {block(0)}),                        // writes the number of the way
        step({}, {block(1)}),                        // what both ways read
        chosen(0, 1, step({block(1)}, {block(2)})),  // the first way, in two steps
        chosen(0, 1, step({block(2)}, {block(3)})),
        chosen(0, 2, step({block(1)}, {block(3)})),  // the second
        step({block(3)}, {at(Memory::output, 0)}),
    };
    const std::vector<DataFlow> flows = data_flow(steps);
    CHECK(flows[2].reads == Numbers{0, 1});
    CHECK(flows[3].reads == Numbers{0, 2});
    CHECK(flows[4].reads == Numbers{0, 1});
    CHECK(flows[5].reads == Numbers{3, 4});
}

TEST_CASE("ways that write over what both have read leave nothing of it") {
    const Steps steps = {
        step({}, {block(0)}),
        step({}, {block(1)}),
        chosen(0, 1, step({block(1)}, {block(1)})),
        chosen(0, 2, step({block(1)}, {block(1)})),
        step({block(1)}, {block(2)}),
    };
    const std::vector<DataFlow> flows = data_flow(steps);
    CHECK(flows[2].reads == Numbers{0, 1});
    CHECK(flows[3].reads == Numbers{0, 1});
    CHECK(flows[4].reads == Numbers{2, 3});
}

TEST_CASE("of two choices one after the other the second reads all ways of the first") {
    const Steps steps = {
        step({}, {block(0)}),
        chosen(0, 1, step({}, {block(2)})),
        chosen(0, 2, step({}, {block(2)})),
        step({}, {block(1)}),
        chosen(1, 1, step({block(2)}, {block(3)})),
        chosen(1, 2, step({block(2)}, {block(3)})),
        step({block(3)}, {at(Memory::output, 0)}),
    };
    const std::vector<DataFlow> flows = data_flow(steps);
    CHECK(flows[4].reads == Numbers{1, 2, 3});
    CHECK(flows[5].reads == Numbers{1, 2, 3});
    CHECK(flows[6].reads == Numbers{4, 5});
}
