#include <catch2/catch.hpp>

#include <random>
#include <utility>

#include "kernels/memory.h"
#include "kernels/quantised.h"

using namespace sluice;
using namespace sluice::kernel_test;

namespace {

using Bytes = StridedOf<std::uint8_t>;

struct Window {
    int kernel_x, kernel_y, stride_x, stride_y, pad_left, pad_top, pad_right, pad_bottom;
};

// Every window of these has a cell inside an image of any size.
const Window windows[] = {
    {1, 1, 1, 1, 0, 0, 0, 0}, {3, 3, 1, 1, 1, 1, 1, 1}, {3, 3, 2, 2, 1, 1, 1, 1},
    {3, 2, 2, 1, 1, 1, 1, 0}, {4, 5, 1, 2, 3, 2, 0, 2},
};

Extents image(int channels, int width, int height, int channel_stride) {
    return {{channels, 1}, {width, channel_stride}, {height, width * channel_stride}};
}

/// The cells of an output's window that lie inside the image, and how many with the padding that
/// counts.
struct Cells {
    int largest = 0, sum = 0, inside = 0, padded = 0;
};

Cells cells_of(const Bytes& input, const Window& w, int width, int height, int c, int x, int y) {
    Cells cells;
    for (int j = 0; j < w.kernel_y; ++j) {
        for (int i = 0; i < w.kernel_x; ++i) {
            const int column = x * w.stride_x - w.pad_left + i;
            const int row = y * w.stride_y - w.pad_top + j;
            cells.padded += column < width + w.pad_right && row < height + w.pad_bottom;
            if (column >= 0 && column < width && row >= 0 && row < height) {
                const int value = input.at({c, column, row, 0});
                cells.largest = std::max(cells.largest, value);
                cells.sum += value;
                ++cells.inside;
            }
        }
    }
    return cells;
}

template <typename Call>
Call window_call(const Window& w, halide_buffer_t* in, halide_buffer_t* out) {
    Call call{};
    call.input = in;
    call.kernel_x = w.kernel_x;
    call.kernel_y = w.kernel_y;
    call.stride_x = w.stride_x;
    call.stride_y = w.stride_y;
    call.pad_left = w.pad_left;
    call.pad_top = w.pad_top;
    call.first_row = 0;
    call.output = out;
    return call;
}

bool same_byte(std::uint8_t got, std::uint8_t want) { return got == want; }

/// Calls test(window, width, height, output width, output height, channels) for problems of all
/// kinds.
template <typename Test>
void for_each_problem(const Kernel& kernel, Test test) {
    for (int channels : {1, 3, 15, 16, 17, 64}) {
        for (const auto& [width, height] : {std::pair{1, 1}, {7, 5}, {12, 12}}) {
            for (const Window& w : windows) {
                const int across = (width + w.pad_left + w.pad_right - w.kernel_x) / w.stride_x + 1;
                const int down = (height + w.pad_top + w.pad_bottom - w.kernel_y) / w.stride_y + 1;
                INFO(kernel.name << ": " << channels << "x" << height << "x" << width << ", window "
                                 << w.kernel_y << "x" << w.kernel_x << " by " << w.stride_y);
                test(w, width, height, across, down, channels);
            }
        }
    }
}

}  // namespace

TEST_CASE("int8 max pool kernels equal the scalar reference") {
    std::mt19937 rng(20261130);
    for_each_kernel(Algorithm::int8_max_pool, [&](const Kernel& kernel) {
        for_each_problem(kernel, [&](const Window& w, int width, int height, int across, int down,
                                     int channels) {
            Bytes input(image(channels, width, height, channels), 0);
            Bytes output(image(channels, across, down, channels + 3), output_margin);
            input.fill([&](const Index&) { return std::uint8_t(rng()); });
            View in = input.view(), out = output.view();
            REQUIRE(call(kernel, window_call<Int8MaxPoolCall<halide_buffer_t*>>(w, in, out)) == 0);
            const auto expected = [&](const Index& at) {
                return std::uint8_t(cells_of(input, w, width, height, at[0], at[1], at[2]).largest);
            };
            CHECK(output.wrong(expected, same_byte) == 0);
        });
    });
}

TEST_CASE("int8 average pool kernels equal the scalar reference, integer for integer") {
    std::mt19937 rng(5);
    for_each_kernel(Algorithm::int8_average_pool, [&](const Kernel& kernel) {
        for_each_problem(kernel, [&](const Window& w, int width, int height, int across, int down,
                                     int channels) {
            const bool counts_pads = rng() % 2 == 0;
            const int input_zero = random_zero(rng), zero = random_zero(rng);
            const float factor = rng() % 2 == 0 ? 1.0F : 0.77F;
            const auto low = float(-zero), high = float(255 - zero);
            Bytes input(image(channels, width, height, channels), 0);
            Bytes output(image(channels, across, down, channels + 3), output_margin);
            input.fill([&](const Index&) { return std::uint8_t(rng()); });
            View in = input.view(), out = output.view();
            auto arguments = window_call<Int8AveragePoolCall<halide_buffer_t*>>(w, in, out);
            arguments.include_pad = counts_pads;
            arguments.count_width = width + w.pad_right;
            arguments.count_height = height + w.pad_bottom;
            arguments.input_zero = input_zero;
            arguments.factor = factor;
            arguments.low = low;
            arguments.high = high;
            arguments.zero = zero;
            REQUIRE(call(kernel, arguments) == 0);
            const auto expected = [&](const Index& at) {
                const Cells cells = cells_of(input, w, width, height, at[0], at[1], at[2]);
                const auto sum = float(cells.sum - cells.inside * input_zero);
                const auto count = float(counts_pads ? cells.padded : cells.inside);
                return stored(sum * factor / count, low, high, zero);
            };
            CHECK(output.wrong(expected, same_byte) == 0);
        });
    });
}

TEST_CASE("int8 global average pool kernels equal the scalar reference, integer for integer") {
    std::mt19937 rng(6);
    for_each_kernel(Algorithm::int8_global_average_pool, [&](const Kernel& kernel) {
        for (int channels : {1, 3, 15, 16, 17, 64, 100}) {
            for (const auto& [width, height] : {std::pair{1, 1}, {7, 7}, {8, 8}, {5, 13}}) {
                INFO(kernel.name << ": " << channels << "x" << height << "x" << width);
                const int input_zero = random_zero(rng), zero = random_zero(rng);
                const float factor = rng() % 2 == 0 ? 1.0F : 0.77F;
                const auto low = float(-zero), high = float(255 - zero);
                Bytes input(image(channels, width, height, channels), 0);
                Bytes output({{channels, 1}}, output_margin);
                input.fill([&](const Index&) { return std::uint8_t(rng()); });
                View in = input.view(), out = output.view();
                REQUIRE(call(kernel,
                             Int8GlobalAveragePoolCall<halide_buffer_t*>{.input = in,
                                                                         .input_zero = input_zero,
                                                                         .factor = factor,
                                                                         .low = low,
                                                                         .high = high,
                                                                         .zero = zero,
                                                                         .output = out}) == 0);
                const auto expected = [&](const Index& at) {
                    const Window all = {width, height, 1, 1, 0, 0, 0, 0};
                    const Cells cells = cells_of(input, all, width, height, at[0], 0, 0);
                    const auto sum = float(cells.sum - cells.inside * input_zero);
                    return stored(sum * factor / float(cells.inside), low, high, zero);
                };
                CHECK(output.wrong(expected, same_byte) == 0);
            }
        }
    });
}
