#include <catch2/catch.hpp>

#include <vector>

#include "kernels/memory.h"
#include "reference/operators.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

struct ReduceCase {
    const char* name;
    Extents input;   ///< k0, k1, r0, r1
    Extents output;  ///< k0, k1
};

std::vector<ReduceCase> cases_of(int kept, int rows, int reduced, int outer) {
    const int row = reduced * kept;
    return {{"neighbours kept",
             {{kept, 1}, {rows, row * outer}, {reduced, kept}, {outer, row}},
             {{kept, 1}, {rows, kept + 3}}},
            {"neighbours reduced",
             {{kept, reduced}, {rows, row * outer}, {reduced, 1}, {outer, row}},
             {{kept, 1}, {rows, kept}}},
            {"gaps",
             {{kept, 2}, {rows, 2 * row * outer}, {reduced, 2 * kept}, {outer, 2 * row}},
             {{kept, 3}, {rows, 3 * kept + 1}}}};
}

/// [k1, k0, r1, r0], as the reference reduces them over the last two.
Tensor dense(const Strided& input, const ReduceCase& c) {
    Tensor t =
        reference::zeros({c.input[1].first, c.input[0].first, c.input[3].first, c.input[2].first});
    std::size_t i = 0;
    for (int k1 = 0; k1 < c.input[1].first; ++k1) {
        for (int k0 = 0; k0 < c.input[0].first; ++k0) {
            for (int r1 = 0; r1 < c.input[3].first; ++r1) {
                for (int r0 = 0; r0 < c.input[2].first; ++r0) {
                    t.data[i++] = input.at({k0, k1, r0, r1});
                }
            }
        }
    }
    return t;
}

reference::Reduction reduction_of(ReduceOperation operation, bool averages) {
    switch (operation) {
        case ReduceOperation::max:
            return reference::Reduction::max;
        case ReduceOperation::min:
            return reference::Reduction::min;
        default:
            return averages ? reference::Reduction::mean : reference::Reduction::sum;
    }
}

int call_reduce(const Kernel& kernel, Strided& input, Strided& output, float divisor) {
    View in = input.view(), out = output.view();
    if (kernel.algorithm == Algorithm::reduce) {
        return call(kernel,
                    ReduceCall<halide_buffer_t*>{.input = in, .divisor = divisor, .output = out});
    }
    return call(kernel,
                ReduceAlongCall<halide_buffer_t*>{.input = in, .divisor = divisor, .output = out});
}

void check_reduce(const Kernel& kernel, const ReduceCase& c, std::mt19937& rng, bool is_spoiled) {
    INFO(kernel.name << ": " << c.name << ", " << c.input[0].first << "x" << c.input[1].first
                     << " of " << c.input[2].first << "x" << c.input[3].first);
    Strided input(c.input, 0), output(c.output, output_margin);
    input.fill([&](const Index&) { return random_values(rng, 1, -1, 1)[0]; });
    if (is_spoiled) {
        input.at({0, 0, 0, 0}) = std::numeric_limits<float>::quiet_NaN();
        input.at({c.input[0].first - 1, 0, c.input[2].first - 1, 0}) =
            std::numeric_limits<float>::infinity();
    }
    const bool averages = rng() % 2 == 0;
    const auto operation = kernel.as<ReduceInfo>().operation;
    const bool divides = averages && operation == ReduceOperation::sum;
    const float count = float(c.input[2].first * c.input[3].first);
    const Tensor expected =
        reference::reduce(reduction_of(operation, averages), dense(input, c), {2, 3});
    REQUIRE(call_reduce(kernel, input, output, divides ? count : 1.0F) == 0);
    CHECK(output.wrong(
              [&](const Index& at) {
                  return expected.data[std::size_t(at[1] * c.input[0].first + at[0])];
              },
              within(1e-4F)) == 0);
}

}  // namespace

TEST_CASE("sums, maxima and minima equal the scalar reference") {
    std::mt19937 rng(20261130);
    for (const Algorithm algorithm : {Algorithm::reduce, Algorithm::reduce_along}) {
        for_each_kernel(algorithm, [&](const Kernel& kernel) {
            for (const int kept : {1, 3, 15, 16, 17, 40}) {
                for (const auto& [rows, reduced, outer] :
                     {std::tuple{1, 1, 1}, {3, 7, 2}, {2, 16, 1}, {1, 33, 5}, {4, 100, 1}}) {
                    for (const ReduceCase& c : cases_of(kept, rows, reduced, outer)) {
                        check_reduce(kernel, c, rng, false);
                        check_reduce(kernel, c, rng, true);
                    }
                }
            }
        });
    }
}
