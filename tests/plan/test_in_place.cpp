#include "plan/winograd_plans.h"

using namespace sluice;
using namespace sluice::plan_test;

/// Layers that write over their residual: see conv/in_place.h.
namespace {

/// y = post(x + g * F(x)) of a residual block, g a value per position, as files have it.
struct ResidualBlock {
    std::int64_t size = 8, channels = 16;
    bool clamps_input = true, clamps_sum = true;
    bool shifts = false;        ///< a batch norm follows the product
    bool convolves_it = false;  ///< F is one convolution, of x itself
    bool is_read_later = false, is_output = false;

    GraphBuilder build() const {
        GraphBuilder b{7};
        ValueId x = b.conv(b.input({1, 4, size, size}), channels, 1);
        x = clamps_input ? b.relu(x) : b.normalize(x);
        const ValueId gate = b.clip(b.conv(x, 1, 3), 0, 1);
        const ValueId inner = convolves_it ? x : b.mul(b.relu(b.conv(x, channels, 3)), gate);
        ValueId y = b.mul(b.conv(inner, channels, 3), gate);
        y = shifts ? b.normalize(y) : y;
        y = b.add_up(y, x);
        y = clamps_sum ? b.relu(y) : y;
        y = b.relu(b.conv(y, channels, 3));
        b.output(is_read_later ? b.mul(y, x) : y);
        if (is_output) {
            b.output(x);
        }
        return b;
    }
};

/// The steps whose output lies where their residual does.
Steps steps_in_place(const Plan& plan) {
    Steps found;
    for (const Step* step : steps_of(plan, Algorithm::gated_conv, GateForm::position)) {
        const auto call = call_of<GatedConvCall>(*step);
        if (is_same(call.residual, call.output)) {
            found.push_back(step);
        }
    }
    return found;
}

std::size_t fills(const Plan& plan) { return steps_of(plan, Algorithm::fill).size(); }

}  // namespace

TEST_CASE("a gated layer writes over its residual, and nothing where it skips") {
    for (const Target* target : possible_targets()) {
        INFO(target->id);
        // The inner layer's skipped outputs are zeros, by each of its ways.
        const PlanOptions direct = {.winograd = false};
        const auto in_place = checked_plan(ResidualBlock{}.build(), *target, direct);
        const auto apart = checked_plan(ResidualBlock{.is_output = true}.build(), *target, direct);
        CHECK(steps_in_place(*in_place).size() == 1);
        CHECK(fills(*in_place) > 0);
        CHECK(fills(*in_place) < fills(*apart));
        CHECK(explain(*in_place).find("in place of its residual") != std::string::npos);
        CHECK(in_place->arena_bytes < apart->arena_bytes);
        CHECK(steps_in_place(
                  *checked_plan(ResidualBlock{.clamps_input = false, .clamps_sum = false}.build(),
                                *target, direct))
                  .size() == 1);
    }
}

TEST_CASE("a gated layer lies apart from a residual that it would change or that is read again") {
    for (const Target* target : possible_targets()) {
        INFO(target->id);
        for (const ResidualBlock& block :
             {ResidualBlock{.clamps_input = false}, ResidualBlock{.shifts = true},
              ResidualBlock{.convolves_it = true}, ResidualBlock{.is_read_later = true},
              ResidualBlock{.is_output = true}}) {
            CAPTURE(block.clamps_input, block.shifts, block.convolves_it, block.is_read_later);
            CHECK(
                steps_in_place(*checked_plan(block.build(), *target, {.winograd = false})).empty());
        }
        // Winograd's kernel computes its last tile again, and would add the residual twice.
        CHECK(steps_in_place(*checked_plan(ResidualBlock{}.build(), *target)).empty());
    }
}
