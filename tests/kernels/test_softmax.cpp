#include <catch2/catch.hpp>

#include <limits>
#include <random>
#include <vector>

#include "kernels/memory.h"
#include "reference/operators.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

/// Where softmax's three dimensions lie: strides of (inner, axis, outer).
struct Layout {
    const char* name;
    Extents input, output;
};

std::vector<Layout> layouts(int inner, int axis, int outer) {
    const Extents axis_inside = {{inner, axis}, {axis, 1}, {outer, inner * axis}};
    const Extents inner_inside = {{inner, 1}, {axis, inner}, {outer, inner * axis}};
    const Extents gaps = {{inner, 2 * axis + 3}, {axis, 2}, {outer, inner * (2 * axis + 3) + 5}};
    return {{"axis dense", axis_inside, axis_inside},
            {"inner dense", inner_inside, inner_inside},
            {"axis dense to inner dense", axis_inside, inner_inside},
            {"gaps to axis dense", gaps, axis_inside},
            {"axis dense to gaps", axis_inside, gaps}};
}

/// `x` is [outer, inner, axis].
void check(const Kernel& kernel, const Tensor& x, const Tensor& expected) {
    const int outer = int(x.shape[0]), inner = int(x.shape[1]), axis = int(x.shape[2]);
    const auto place = [&](const Index& at) {
        return std::size_t((at[2] * inner + at[0]) * axis + at[1]);
    };
    // exp of the largest sums' terms is off by a few units in the last place.
    const auto equal = [](float got, float want) {
        return std::isnan(want) ? std::isnan(got) : std::abs(got - want) <= 3e-6f * want + 1e-30f;
    };
    for (const Layout& layout : layouts(inner, axis, outer)) {
        INFO(kernel.name << ": inner " << inner << ", axis " << axis << ", outer " << outer << ", "
                         << layout.name);
        Strided input(layout.input, 0), output(layout.output, output_margin);
        input.fill([&](const Index& at) { return x.data[place(at)]; });
        View in = input.view(), out = output.view();
        REQUIRE(call(kernel, SoftmaxCall<halide_buffer_t*>{.input = in, .output = out}) == 0);
        CHECK(output.wrong([&](const Index& at) { return expected.data[place(at)]; }, equal) == 0);
    }
}

}  // namespace

TEST_CASE("softmax kernels equal the scalar reference") {
    std::mt19937 rng(20261124);
    for (int axis : {1, 2, 3, 10, 15, 16, 17, 64, 100, 1000}) {
        for (const auto& [inner, outer] : {std::pair{1, 1}, {1, 3}, {5, 1}, {35, 2}}) {
            // The reference takes the square of the axis.
            if (axis == 1000 && inner == 35) {
                continue;
            }
            const Tensor x = {{outer, inner, axis},
                              random_values(rng, std::size_t(outer * inner * axis), -8, 8)};
            const Tensor expected = reference::softmax(x, 2);
            for_each_kernel(Algorithm::softmax,
                            [&](const Kernel& kernel) { check(kernel, x, expected); });
        }
    }
}

TEST_CASE("softmax kernels overflow for no finite scores") {
    const float most = std::numeric_limits<float>::max();
    for_each_kernel(Algorithm::softmax, [&](const Kernel& kernel) {
        const int axis = kernel.lanes + 2;
        for (int peak : {0, axis - 1}) {
            Tensor x = {{1, 1, axis}, std::vector<float>(std::size_t(axis), -most)};
            Tensor expected = {x.shape, std::vector<float>(std::size_t(axis), 0.0f)};
            x.data[std::size_t(peak)] = most;
            expected.data[std::size_t(peak)] = 1;
            check(kernel, x, expected);
            x.data.assign(std::size_t(axis), most);
            expected.data.assign(std::size_t(axis), 1 / float(axis));
            check(kernel, x, expected);
        }
    });
}

TEST_CASE("softmax kernels give a score of minus infinity no share") {
    const float infinity = std::numeric_limits<float>::infinity();
    for_each_kernel(Algorithm::softmax, [&](const Kernel& kernel) {
        const int axis = 2 * kernel.lanes + 1;
        Tensor x = {{1, 1, axis}, std::vector<float>(std::size_t(axis), -infinity)};
        Tensor expected = {x.shape, std::vector<float>(std::size_t(axis), 0.0f)};
        for (std::size_t open : {std::size_t(1), std::size_t(axis - 1)}) {
            x.data[open] = 3;
            expected.data[open] = 0.5f;
        }
        check(kernel, x, expected);
    });
}

// As ONNX Runtime: exp(NaN), infinity - infinity and 0 / 0 reach the whole row through its sum.
TEST_CASE("softmax kernels give NaN for a row with NaN or infinity, and for minus infinity alone") {
    const float infinity = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::mt19937 rng(5);
    for_each_kernel(Algorithm::softmax, [&](const Kernel& kernel) {
        for (const int axis : {1, 3, kernel.lanes, 2 * kernel.lanes + 3}) {
            const Tensor finite = {{2, 3, axis}, random_values(rng, std::size_t(6 * axis), -8, 8)};
            for (int place = 0; place < axis; ++place) {
                for (const float bad : {nan, infinity}) {
                    Tensor x = finite;
                    x.data[std::size_t(axis + place)] = bad;  // in the second of six rows
                    Tensor expected = reference::softmax(finite, 2);
                    std::fill_n(expected.data.begin() + axis, axis, nan);
                    check(kernel, x, expected);
                }
            }
            Tensor x = finite, expected = reference::softmax(finite, 2);
            std::fill_n(x.data.begin() + 2 * axis, axis, -infinity);
            std::fill_n(expected.data.begin() + 2 * axis, axis, nan);
            check(kernel, x, expected);
        }
    });
}
