#include <catch2/catch.hpp>

#include <vector>

#include "kernels/memory.h"
#include "reference/operators.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

struct Sizes {
    int rows, inputs, outputs, batch, outer;
};

void check_product(const Kernel& kernel, const Sizes& s, bool is_turned, bool is_shared,
                   std::mt19937& rng) {
    INFO(kernel.name << ": " << s.rows << "x" << s.inputs << " by " << s.outputs << ", " << s.batch
                     << "x" << s.outer << (is_turned ? ", turned" : "")
                     << (is_shared ? ", one matrix for all" : ""));
    const int matrix = s.rows * s.inputs, weights = s.inputs * s.outputs;
    const int gap = s.outputs + 2, image = gap * s.rows + 5;
    Strided a({{s.inputs, is_turned ? s.rows : 1},
               {s.rows, is_turned ? 1 : s.inputs},
               {s.batch, matrix},
               {s.outer, matrix * s.batch}},
              0);
    Strided b({{s.outputs, 1},
               {s.inputs, s.outputs},
               {s.batch, is_shared ? 0 : weights},
               {s.outer, is_shared ? 0 : weights * s.batch}},
              0);
    Strided output({{s.outputs, 1}, {s.rows, gap}, {s.batch, image}, {s.outer, image * s.batch}},
                   output_margin);
    Tensor left = reference::zeros({s.outer, s.batch, s.rows, s.inputs});
    Tensor right = reference::zeros({s.outer, s.batch, s.inputs, s.outputs});
    for (Strided* operand : {&a, &b}) {
        operand->fill([&](const Index&) { return random_values(rng, 1, -1, 1)[0]; });
    }
    a.for_each([&](const Index& at) {
        left.data[std::size_t(((at[3] * s.batch + at[2]) * s.rows + at[1]) * s.inputs + at[0])] =
            a.at(at);
    });
    b.for_each([&](const Index& at) {
        right
            .data[std::size_t(((at[3] * s.batch + at[2]) * s.inputs + at[1]) * s.outputs + at[0])] =
            b.at(at);
    });
    const Tensor expected = reference::mat_mul(left, right);
    View in_a = a.view(), in_b = b.view(), out = output.view();
    REQUIRE(call(kernel, MatMulCall<halide_buffer_t*>{.a = in_a, .b = in_b, .output = out}) == 0);
    CHECK(output.wrong(
              [&](const Index& at) {
                  return expected.data[std::size_t(
                      ((at[3] * s.batch + at[2]) * s.rows + at[1]) * s.outputs + at[0])];
              },
              within(1e-4F)) == 0);
}

}  // namespace

TEST_CASE("products of matrices equal the scalar reference") {
    std::mt19937 rng(20261130);
    const std::vector<Sizes> sizes = {{1, 1, 1, 1, 1},    {1, 9, 40, 1, 1},  {3, 5, 7, 2, 1},
                                      {4, 8, 16, 1, 1},   {5, 17, 33, 2, 3}, {9, 1, 15, 1, 2},
                                      {16, 64, 32, 1, 1}, {3, 12, 17, 2, 2}, {7, 33, 31, 1, 1}};
    for_each_kernel(Algorithm::mat_mul, [&](const Kernel& kernel) {
        for (const Sizes& s : sizes) {
            for (const bool is_turned : {false, true}) {
                for (const bool is_shared : {false, true}) {
                    check_product(kernel, s, is_turned, is_shared, rng);
                }
            }
        }
    });
}
