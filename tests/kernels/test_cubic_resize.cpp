#include <catch2/catch.hpp>

#include <vector>

#include "kernels/strided_image.h"

using namespace sluice;
using namespace sluice::kernel_test;
using reference::Tensor;

namespace {

constexpr int taps = 4;

/// Four sources of each output along an axis, and their weights: [tap][output].
struct Table {
    int outputs;
    std::vector<std::int32_t> sources;
    std::vector<float> weights;
};

Table draw_table(std::mt19937& rng, int outputs, int extent) {
    Table table{outputs, {}, random_values(rng, std::size_t(taps * outputs), -0.5F, 1)};
    for (int i = 0; i < taps * outputs; ++i) {
        table.sources.push_back(std::int32_t(rng() % std::uint32_t(extent)));
    }
    return table;
}

/// [1, C, H, W] of a blend as its tables state it.
Tensor blend(const Tensor& x, const Table& rows, const Table& columns) {
    const int channels = int(x.shape[1]), height = int(x.shape[2]), width = int(x.shape[3]);
    Tensor y = reference::zeros({1, channels, rows.outputs, columns.outputs});
    std::size_t at = 0;
    for (int c = 0; c < channels; ++c) {
        for (int r = 0; r < rows.outputs; ++r) {
            for (int k = 0; k < columns.outputs; ++k) {
                double sum = 0;
                for (int j = 0; j < taps; ++j) {
                    for (int i = 0; i < taps; ++i) {
                        const std::size_t row = std::size_t(j * rows.outputs + r);
                        const std::size_t column = std::size_t(i * columns.outputs + k);
                        sum += double(rows.weights[row]) * columns.weights[column] *
                               x.data[std::size_t((c * height + rows.sources[row]) * width +
                                                  columns.sources[column])];
                    }
                }
                y.data[at++] = float(sum);
            }
        }
    }
    return y;
}

}  // namespace

TEST_CASE("cubic resizes blend four rows and four columns as their tables state") {
    std::mt19937 rng(20261130);
    for (const int channels : {1, 3, 15, 16, 17, 40}) {
        const int height = 5, width = 7;
        const Tensor x{{1, channels, height, width},
                       random_values(rng, std::size_t(channels * height * width), -1, 1)};
        const Table rows = draw_table(rng, 9, height), columns = draw_table(rng, 4, width);
        const Tensor expected = blend(x, rows, columns);
        for_each_kernel(Algorithm::cubic_resize, [&](const Kernel& kernel) {
            for (const Lanes& lanes : lane_forms(channels, kernel.lanes)) {
                INFO(kernel.name << ": " << channels << " channels");
                Strided input = image(x, lanes.computed, lanes.input_stride);
                Strided output = output_image(lanes.computed, lanes.output_stride, columns.outputs,
                                              rows.outputs);
                View in = input.view(), out = output.view();
                View row_sources(rows.sources.data(), {{rows.outputs, 1}, {taps, rows.outputs}});
                View row_weights(rows.weights.data(), {{rows.outputs, 1}, {taps, rows.outputs}});
                View column_sources(columns.sources.data(),
                                    {{columns.outputs, 1}, {taps, columns.outputs}});
                View column_weights(columns.weights.data(),
                                    {{columns.outputs, 1}, {taps, columns.outputs}});
                REQUIRE(
                    call(kernel, CubicResizeCall<halide_buffer_t*>{.input = in,
                                                                   .columns = column_sources,
                                                                   .column_weights = column_weights,
                                                                   .rows = row_sources,
                                                                   .row_weights = row_weights,
                                                                   .output = out}) == 0);
                CHECK(output.wrong(at_image(expected), within(2e-5F)) == 0);
            }
        });
    }
}
