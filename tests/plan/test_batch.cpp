#include <catch2/catch.hpp>

#include <limits>

#include "passes/fold_constants.h"
#include "plan/plan_of.h"

using namespace sluice;
using namespace sluice::plan_test;

namespace {

/// A graph of one input [N, 3, 4, 4], of which 1 stands for N.
struct AnyBatch : GraphBuilder {
    AnyBatch() : GraphBuilder(5) {
        graph.batch_is_symbolic = true;
        graph.batch_name = "N";
        x = input({1, 3, 4, 4});
    }
    /// Shapes are inferred when the graph is folded.
    ValueId add(Op op, std::vector<ValueId> inputs, AttributeMap attributes = {}) {
        return node(op, std::move(inputs), {}, std::move(attributes));
    }
    /// Extent `axis` of the input, as an integer of its own axis.
    ValueId extent(std::int64_t axis) {
        return add(Op::gather, {add(Op::shape, {x}), integers({axis})});
    }
    ValueId constant_integer(std::int64_t value) {
        const ValueId id = integers({value});
        graph.values[std::size_t(id)].shape = {};
        graph.values[std::size_t(id)].constant =
            std::make_shared<Constant>(Constant{{}, Shape{value}});
        return id;
    }
    ValueId scalar(float value) { return constant(reference::Tensor{{}, {value}}); }

    ValueId x;
};

struct Outcome {
    std::string remark;  ///< what fixes the batch at 1, as the plan says; empty: any batch is right
    std::string last;    ///< the name of the graph's last node

    bool names_last(const std::string& op) const {
        return remark == last + " (" + op + ") mixes the images of a batch";
    }
};

/// The plan of the graph whose output `make(b)` adds.
template <typename Make>
Outcome plan_batch(Make make) {
    AnyBatch b;
    b.output(make(b));
    const std::string last = b.graph.nodes.back().name;
    Status status = fold_constants(b.graph);
    INFO(status.message());
    REQUIRE(status.ok());
    status = optimise(b.graph);
    INFO(status.message());
    REQUIRE(status.ok());
    const auto plan = make_plan(b.graph, *possible_targets().front());
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    const bool is_any = plan.value()->inputs[0].shape[0].size == -1;
    CHECK(is_any == plan.value()->batch_remark.empty());
    CHECK((explain(*plan.value()).find("one image per run: ") == std::string::npos) == is_any);
    return {plan.value()->batch_remark, last};
}

template <typename Make>
bool leaves_open(Make make) {
    return plan_batch(make).remark.empty();
}

const AttributeMap to_float = {{"to", std::int64_t{1}}};

}  // namespace

TEST_CASE("nodes that keep the images of a batch apart leave the batch open") {
    using B = AnyBatch;
    CHECK(leaves_open([](B& b) { return b.add(Op::flatten, {b.x}, {{"axis", std::int64_t{1}}}); }));
    CHECK(leaves_open([](B& b) { return b.add(Op::reshape, {b.x, b.integers({-1, 48})}); }));
    CHECK(leaves_open([](B& b) { return b.add(Op::reshape, {b.x, b.integers({0, 12, 4})}); }));
    CHECK(leaves_open([](B& b) {
        const ValueId extents =
            b.add(Op::concat, {b.extent(0), b.integers({-1})}, {{"axis", std::int64_t{0}}});
        return b.add(Op::reshape, {b.x, extents});
    }));
    for (const std::int64_t end : {std::numeric_limits<std::int64_t>::max(),
                                   std::int64_t{std::numeric_limits<std::int32_t>::max()}}) {
        CHECK(leaves_open([end](B& b) {
            return b.add(Op::slice,
                         {b.x, b.integers({0, 0}), b.integers({end, 2}), b.integers({0, 1})});
        }));
    }
    CHECK(leaves_open([](B& b) {  // to the batch's end, wherever that is
        return b.add(Op::slice, {b.x, b.integers({0}), b.extent(0), b.integers({0})});
    }));
    CHECK(leaves_open([](B& b) {  // one value for all images, repeated by the file itself
        const ValueId shape = b.add(Op::shape, {b.x});
        return b.add(Op::add, {b.x, b.add(Op::expand, {b.constant({1, 3, 1, 1}), shape})});
    }));
    CHECK(leaves_open([](B& b) {  // rows over columns
        const ValueId ratio = b.add(Op::div, {b.extent(2), b.extent(3)});
        return b.add(Op::mul, {b.x, b.add(Op::cast, {ratio}, to_float)});
    }));
    CHECK(leaves_open([](B& b) {  // a node that nothing reads
        b.add(Op::reshape, {b.x, b.integers({1, -1})});
        return b.add(Op::relu, {b.x});
    }));
}

// At a batch of 1, which stands for any, each looks as if it kept the batch.
TEST_CASE("a node that mixes the images of a batch fixes the batch at 1 and is named") {
    using B = AnyBatch;
    for (const Shape& target : {Shape{1, -1}, Shape{1, 48}, Shape{1, 3, 16}, Shape{1, 3, -1}}) {
        CHECK(plan_batch([&](B& b) {
                  return b.add(Op::reshape, {b.x, b.integers(target)});
              }).names_last("Reshape"));
    }
    for (const std::int64_t axis : {0, -4}) {
        CHECK(plan_batch([axis](B& b) {
                  return b.add(Op::flatten, {b.x}, {{"axis", axis}});
              }).names_last("Flatten"));
    }
    for (const std::int64_t end : {1, 2, 6, 100}) {
        CHECK(
            plan_batch([end](B& b) {
                return b.add(Op::slice, {b.x, b.integers({0}), b.integers({end}), b.integers({0})});
            }).names_last("Slice"));
    }
    CHECK(plan_batch([](B& b) {  // a row for each batch
              const ValueId start = b.add(Op::sub, {b.extent(0), b.integers({1})});
              const ValueId starts = b.add(Op::div, {start, b.integers({5})});
              const ValueId ends = b.add(Op::add, {starts, b.integers({1})});
              return b.add(Op::slice, {b.x, starts, ends, b.integers({2})});
          })
              .names_last("Slice"));
}

// Whatever the batch gives: N, 1 / N, whether N is 1, 0 to N - 1.
TEST_CASE("a number that depends on the batch fixes the batch at 1") {
    using B = AnyBatch;
    CHECK(plan_batch([](B& b) {
              return b.add(Op::mul, {b.x, b.add(Op::cast, {b.extent(0)}, to_float)});
          }).names_last("Mul"));
    CHECK(plan_batch([](B& b) {
              const ValueId count = b.add(Op::cast, {b.extent(0)}, to_float);
              return b.add(Op::mul, {b.x, b.add(Op::div, {b.scalar(1), count})});
          }).names_last("Mul"));
    CHECK(plan_batch([](B& b) {
              const ValueId is_one = b.add(Op::equal, {b.extent(0), b.integers({1})});
              return b.add(Op::mul, {b.x, b.add(Op::cast, {is_one}, to_float)});
          }).names_last("Mul"));
    CHECK(plan_batch([](B& b) {
              const ValueId zero = b.constant_integer(0), one = b.constant_integer(1);
              const ValueId count = b.add(Op::reshape, {b.extent(0), b.integers({})});
              const ValueId numbers = b.add(Op::range, {zero, count, one});
              const ValueId each = b.add(Op::cast, {numbers}, to_float);
              return b.add(Op::add, {b.x, b.add(Op::reshape, {each, b.integers({-1, 1, 1, 1})})});
          }).names_last("Add"));
}

TEST_CASE("a number that some batches share and others do not fixes the batch at 1") {
    using B = AnyBatch;
    using Make = ValueId (*)(B&);
    const std::pair<const char*, Make> numbers[] = {
        {"Div",
         [](B& b) {
             return b.add(Op::div, {b.extent(0), b.integers({7})});
         }},
        {"Div",
         [](B& b) {
             const ValueId less = b.add(Op::sub, {b.extent(0), b.integers({6})});
             return b.add(Op::div, {less, b.integers({6})});
         }},
        {"Equal",
         [](B& b) {
             return b.add(Op::equal, {b.extent(0), b.integers({32})});
         }},
        {"Cast",
         [](B& b) {
             const ValueId less = b.add(Op::sub, {b.extent(0), b.integers({7})});
             return b.add(Op::cast, {less}, {{"to", std::int64_t{9}}});
         }},
        {"Mul", [](B& b) {
             const ValueId less = b.add(Op::sub, {b.extent(0), b.integers({1})});
             return b.add(Op::mul, {less, b.add(Op::sub, {b.extent(0), b.integers({6})})});
         }}};
    for (const auto& [op, number] : numbers) {
        const Outcome outcome = plan_batch([make = number](B& b) {
            return b.add(Op::mul, {b.x, b.add(Op::cast, {make(b)}, to_float)});
        });
        INFO(op << ": " << outcome.remark);
        CHECK(outcome.remark.find(std::string("(") + op + ") mixes the images of a batch") !=
              std::string::npos);
    }
    // N / N, and as exporters write an Expand: extents of -1 are the input's.
    CHECK(leaves_open([](B& b) {
        const ValueId one = b.add(Op::div, {b.extent(0), b.extent(0)});
        return b.add(Op::mul, {b.x, b.add(Op::cast, {one}, to_float)});
    }));
    CHECK(leaves_open([](B& b) {
        const ValueId wanted =
            b.add(Op::concat, {b.extent(0), b.integers({-1, 4, 4})}, {{"axis", std::int64_t{0}}});
        const ValueId asks = b.add(Op::equal, {wanted, b.integers({-1, -1, -1, -1})});
        const ValueId extents = b.add(Op::where, {asks, b.integers({1, 1, 1, 1}), wanted});
        return b.add(Op::add, {b.x, b.add(Op::expand, {b.constant({1, 3, 1, 1}), extents})});
    }));
}

TEST_CASE("a plan of a fixed batch refuses a node that mixes its images") {
    GraphBuilder b(5);
    b.graph.batch = 2;
    const ValueId x = b.input({2, 2, 3, 3});
    const auto refusal = [&](ValueId y) {
        GraphBuilder other = b;
        other.output(y);
        const auto plan = plan_of(other, *possible_targets().front());
        REQUIRE(!plan.ok());
        return plan.status().message();
    };
    const auto has = [](const std::string& text, const char* part) {
        return text.find(part) != std::string::npos;
    };
    CHECK(has(refusal(b.node(Op::reshape, {x, b.integers({1, 36})}, {1, 36})),
              "does not begin with the batch of 2"));
    CHECK(has(refusal(b.node(Op::transpose, {x}, {2, 2, 3, 3}, {{"perm", Shape{1, 0, 2, 3}}})),
              "moves the batch"));
    CHECK(has(refusal(b.node(Op::softmax, {x}, {2, 2, 3, 3}, {{"axis", std::int64_t{0}}})),
              "runs over axis 0 of [2, 2, 3, 3]"));
    CHECK(has(refusal(b.node(Op::add, {x, b.constant({2, 1, 1, 1})}, {2, 2, 3, 3})),
              "broadcasts [2, 2, 3, 3] and [2, 1, 1, 1], over the batch"));
    // 1.2 times 2 is 2 again, and yet the second image is read from a place between the two.
    const ValueId scales = b.constant(reference::Tensor{{4}, {1.2F, 1, 1, 1}});
    CHECK(
        has(refusal(b.node(Op::resize, {x, no_value, scales}, {2, 2, 3, 3}, {{"mode", "linear"}})),
            "by other scales than 1 of the batch"));
}
