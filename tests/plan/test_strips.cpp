#include <algorithm>
#include <map>

#include "plan/winograd_plans.h"

using namespace sluice;
using namespace sluice::plan_test;

/// Steps that run in turns: see plan/strips.h.
namespace {

ValueId depthwise(GraphBuilder& b, ValueId x, std::int64_t kernel, std::int64_t stride) {
    Shape shape = b.shape(x);
    const std::int64_t channels = shape[1], pad = kernel / 2;
    for (const std::size_t axis : {2U, 3U}) {
        shape[axis] = (shape[axis] - 1) / stride + 1;
    }
    return b.node(Op::conv, {x, b.constant({channels, 1, kernel, kernel}), b.constant({channels})},
                  shape,
                  {{"pads", Shape{pad, pad, pad, pad}},
                   {"strides", Shape{stride, stride}},
                   {"group", channels}});
}

ValueId max_pool(GraphBuilder& b, ValueId x) {
    Shape shape = b.shape(x);
    shape[2] = (shape[2] - 3) / 2 + 1;
    shape[3] = (shape[3] - 3) / 2 + 1;
    return b.node(Op::max_pool, {x}, shape,
                  {{"kernel_shape", Shape{3, 3}}, {"strides", Shape{2, 2}}});
}

/// Two blocks as MobileNetV2 has them, with a residual in the first and lanes beside the channels
/// where they are no multiple of a vector, and a pool.
GraphBuilder bottlenecks(std::int64_t height, std::int64_t width, std::int64_t channels) {
    GraphBuilder b{7};
    const ValueId x = b.relu(b.conv(b.input({1, 3, height, width}), channels, 1));
    ValueId y = b.relu(b.conv(x, 4 * channels, 1));
    y = b.relu(depthwise(b, y, 3, 1));
    y = b.add_up(b.conv(y, channels, 1), x);
    y = b.relu(b.conv(y, 2 * channels, 1));
    y = b.relu(depthwise(b, y, 5, 2));
    b.output(b.conv(max_pool(b, y), 5, 1));
    return b;
}

bool reads(const Step& reader, const RowsRead& read, const Step& writer) {
    const auto& from = std::get<Buffer>(reader.arguments[std::size_t(read.argument)]);
    const auto& to = std::get<Buffer>(writer.arguments[std::size_t(writer.first_output)]);
    const Axis& rows = from.axes.back();
    return from.memory == Memory::arena && from.offset <= to.offset &&
           to.offset < from.offset + rows.extent * rows.stride;
}

/// Fails unless a chain's turns compute every row once, each after the rows of its windows.
void check_turns(const Plan& plan, const Chain& chain, int threads) {
    std::map<std::size_t, std::int64_t> done;  // units of each step
    for (const Strip& strip : strips_of(plan.steps, chain, threads)) {
        const Step& step = plan.steps[strip.step];
        CAPTURE(strip.step, strip.first, strip.count, threads);
        REQUIRE(strip.count > 0);
        REQUIRE(strip.first == done[strip.step]);
        done[strip.step] += strip.count;
        const Rows& rows = *step.rows;
        REQUIRE(done[strip.step] <= rows.height * rows.units);
        if (step.list.argument >= 0) {
            REQUIRE((strip.first % step.list.tile == 0));
        }
        const std::int64_t last = (done[strip.step] - 1) / rows.units;
        for (const RowsRead& read : rows.reads) {
            for (std::size_t i = chain.first; i < strip.step; ++i) {
                if (reads(step, read, plan.steps[i])) {
                    const Rows& writer = *plan.steps[i].rows;
                    const std::int64_t end = last * read.stride - read.above + read.window;
                    REQUIRE(done[i] / writer.units >= std::min(end, writer.height));
                }
            }
        }
    }
    for (std::size_t i = chain.first; i <= chain.last; ++i) {
        const Rows& rows = *plan.steps[i].rows;
        CHECK(done[i] == rows.height * rows.units);
    }
}

std::size_t steps_in_turns(const Plan& plan) {
    std::size_t count = 0;
    for (const Chain& chain : plan.chains) {
        count += chain.last + 1 - chain.first;
    }
    return count;
}

}  // namespace

TEST_CASE("layers of large maps run in turns, each row once and after what it reads") {
    for (const Target* target : possible_targets()) {
        for (const std::int64_t channels : {1, 5, 24}) {
            const auto plan =
                checked_plan(bottlenecks(67, 45, channels), *target, {.cache_bytes = 9000});
            INFO(target->id << ", " << channels << " channels\n" << explain(*plan));
            REQUIRE(!plan->chains.empty());
            CHECK(steps_in_turns(*plan) >= 5);
            CHECK(explain(*plan).find("in turns with") != std::string::npos);
            for (const Chain& chain : plan->chains) {
                for (const int threads : {1, 2, 7}) {
                    check_turns(*plan, chain, threads);
                }
            }
        }
    }
}

TEST_CASE("layers whose maps the cache holds run one after the other") {
    for (const Target* target : possible_targets()) {
        CHECK(checked_plan(bottlenecks(33, 45, 24), *target)->chains.empty());
        CHECK(!checked_plan(bottlenecks(267, 145, 24), *target)->chains.empty());
    }
}

TEST_CASE("a layer runs in no turn that reads what lies outside, a gate, or all rows") {
    for (const Target* target : possible_targets()) {
        INFO(target->id);
        GraphBuilder b{7};
        const ValueId x = b.relu(b.conv(b.input({1, 4, 32, 32}), 8, 1));
        const ValueId gate = b.clip(b.conv(x, 1, 3), 0, 1);
        const ValueId gated = b.mul(b.relu(b.conv(x, 16, 1)), gate);
        const ValueId mean = b.node(Op::global_average_pool, {gated}, {1, 16, 1, 1});
        b.output(b.conv(mean, 4, 1));
        const auto plan = checked_plan(b, *target, {.cache_bytes = 0});
        for (const Chain& chain : plan->chains) {
            for (std::size_t i = chain.first; i <= chain.last; ++i) {
                INFO(explain(*plan));
                CHECK(plan->steps[i].kernel->gate == GateForm::none);
                CHECK(plan->steps[i].kernel->algorithm != Algorithm::global_average_pool);
            }
        }
    }
}
