#include "plan/conv/constant_input.h"

#include "kernels/list_layout.h"

namespace sluice {
namespace {

/// Whether a tap that is `tap` - 1 pixels off lies on the map at this side of it.
constexpr bool is_on_map(std::int64_t tap, std::int64_t side) {
    return !(side == 0 && tap == 0) && !(side == map_sides - 1 && tap == 2);
}

}  // namespace

ConstantPart convolve_constant(const FusedConv& conv, const std::vector<float>& input,
                               std::int64_t outputs) {
    const std::int64_t channels = conv.weights->shape[1];
    const float* weight = conv.weights->floats().data();
    ConstantPart part{std::vector<float>(std::size_t(pair_taps * outputs)),
                      std::vector<float>(std::size_t(map_sides * map_sides * outputs))};
    for (std::int64_t k = 0; k < conv.weights->shape[0]; ++k) {
        double sums[pair_taps] = {};
        for (std::int64_t c = 0; c < channels; ++c) {
            for (std::int64_t tap = 0; tap < pair_taps; ++tap) {
                sums[tap] += double(*weight++) * double(input[std::size_t(c)]);
            }
        }
        for (std::int64_t tap = 0; tap < pair_taps; ++tap) {
            part.products[std::size_t(tap * outputs + k)] = float(sums[tap]);
        }
        for (std::int64_t side = 0; side < map_sides * map_sides; ++side) {
            double sum = conv.bias[std::size_t(k)];
            for (std::int64_t tap = 0; tap < pair_taps; ++tap) {
                const bool counts =
                    is_on_map(tap % 3, side % map_sides) && is_on_map(tap / 3, side / map_sides);
                sum += counts ? sums[tap] : 0;
            }
            part.borders[std::size_t(side * outputs + k)] = float(sum);
        }
    }
    return part;
}

}  // namespace sluice
