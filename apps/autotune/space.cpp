#include "autotune/space.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace sluice::autotune {
namespace {

// Two pipes of four cycles' latency: with fewer sums under way the pipes wait.
constexpr int independent_fmas = 8;
constexpr int address_registers = 12;  ///< that loops and strides leave
// What a chunk of Winograd's may keep on the stack of a thread, which the caller may have made
// small; a larger one leaves the L2 cache too.
constexpr int most_stack = 512 * 1024;
// A loop's body of this many FMAs still fits the caches of instructions and of decoded ones.
constexpr int longest_body = 384;

int get(const Numbers& numbers, const char* name) {
    const auto found = numbers.find(name);
    return found == numbers.end() ? 1 : found->second;
}

Numbers with(Numbers numbers, std::initializer_list<std::pair<const char*, int>> changes) {
    for (const auto& [name, value] : changes) {
        numbers[name] = value;
    }
    return numbers;
}

bool divides_row(const Space& space, int unroll) {
    return unroll >= 1 && (space.row == 0 ? unroll == 1 : space.row % unroll == 0);
}

/// Pixels, or Winograd's tiles, of a register tile.
int most_pixels(const Space& space, int vectors) {
    return (space.registers - 1 - vectors) / vectors;
}

bool fits_conv(const Space& space, const Numbers& n) {
    const int pixels = get(n, "pixels"), tail = get(n, "tail"), vectors = get(n, "vectors");
    const int unroll = get(n, "unroll");
    return vectors >= 1 && pixels >= 2 && pixels <= most_pixels(space, vectors) && tail >= 1 &&
           tail < pixels && pixels * vectors >= independent_fmas &&
           space.channels % (vectors * space.lanes) == 0 && divides_row(space, unroll) &&
           (unroll == 1 || pixels * vectors * unroll <= longest_body);
}

/// Bytes of a chunk's transformed patches, and of its products.
int stack_bytes(const Space& space, const Numbers& n) {
    const int channels = space.depth + get(n, "vectors") * space.lanes;
    return space.points * 4 * get(n, "pixels") * channels;
}

bool fits_winograd(const Space& space, const Numbers& n) {
    const int pixels = get(n, "pixels"), tail = get(n, "tail"), vectors = get(n, "vectors");
    const int rows = get(n, "rows"), unroll = get(n, "unroll");
    return vectors >= 1 && rows >= 1 && rows <= most_pixels(space, vectors) && rows <= pixels &&
           tail >= 1 && tail < pixels && rows * vectors >= independent_fmas &&
           space.channels % (vectors * space.lanes) == 0 && divides_row(space, unroll) &&
           (unroll == 1 || rows * vectors * unroll <= longest_body) &&
           stack_bytes(space, n) <= most_stack;
}

/// The next divisors of the row below and above.
std::vector<int> near_divisors(const Space& space, int unroll) {
    std::vector<int> near;
    for (int below = unroll - 1; below >= 1; --below) {
        if (divides_row(space, below)) {
            near.push_back(below);
            break;
        }
    }
    for (int above = unroll + 1; above <= space.row; ++above) {
        if (divides_row(space, above)) {
            near.push_back(above);
            break;
        }
    }
    return near;
}

/// The longest unrolling near the wanted one that fits with the rest of `numbers`.
Numbers settle_unroll(const Space& space, Numbers numbers) {
    while (get(numbers, "unroll") > 1 && !fits(space, numbers)) {
        --numbers["unroll"];
    }
    return numbers;
}

Numbers conv_tile(const Space& space, const Numbers& from, int vectors, int pixels) {
    Numbers tile = with(from, {{"vectors", vectors}, {"pixels", pixels}});
    if (tile.contains("tail")) {
        tile["tail"] = std::max(1, pixels / 3);
    }
    return settle_unroll(space, std::move(tile));
}

std::vector<Numbers> conv_seeds(const Space& space, const Numbers& present) {
    std::vector<Numbers> seeds;
    for (int vectors = 1; vectors * 2 < space.registers; ++vectors) {
        const int most = most_pixels(space, vectors);
        // Less than the budget by a third already spends more of the time on loads.
        for (const int less : {0, 1, 2, 4}) {
            if (less == 0 || (most - less) * 3 >= most * 2) {
                seeds.push_back(conv_tile(space, present, vectors, most - less));
            }
        }
        // Each pixel has an address too, and x86 has 16 registers for them.
        if (most > address_registers) {
            seeds.push_back(conv_tile(space, present, vectors, address_registers));
        }
    }
    return seeds;
}

std::vector<Numbers> conv_neighbours(const Space& space, const Numbers& from) {
    const int pixels = get(from, "pixels"), tail = get(from, "tail");
    const int vectors = get(from, "vectors"), unroll = get(from, "unroll");
    const bool has_tail = from.contains("tail");
    std::vector<Numbers> near;
    for (const int other : {pixels - 1, pixels + 1, pixels - 2, pixels + 2}) {
        Numbers resized = with(from, {{"pixels", other}});
        if (has_tail) {
            resized["tail"] = std::min(tail, std::max(1, other - 1));
        }
        near.push_back(settle_unroll(space, std::move(resized)));
    }
    for (const int other : near_divisors(space, unroll)) {
        near.push_back(with(from, {{"unroll", other}}));
    }
    if (has_tail) {
        for (const int other : {tail - 1, tail + 1, 1, pixels / 2}) {
            near.push_back(with(from, {{"tail", other}}));
        }
    }
    for (const int other : {vectors / 2, vectors - 1, vectors + 1, vectors * 2}) {
        if (other >= 1 && other != vectors) {
            near.push_back(conv_tile(space, from, other, most_pixels(space, other)));
        }
    }
    return near;
}

/// A chunk of `groups` register tiles, of fewer where they do not fit on the stack.
Numbers winograd_tile(const Space& space, const Numbers& from, int vectors, int rows, int groups) {
    Numbers n = with(from, {{"vectors", vectors}, {"rows", rows}, {"pixels", rows * groups}});
    while (n["pixels"] > rows && stack_bytes(space, n) > most_stack) {
        n["pixels"] -= rows;
    }
    n["tail"] = std::max(1, std::min({rows, n["pixels"] - 1, 4}));
    return settle_unroll(space, n);
}

std::vector<Numbers> winograd_seeds(const Space& space, const Numbers& present) {
    std::vector<Numbers> seeds;
    // The widest first: a chunk's patches are read again for each width of channels.
    for (int vectors = (space.registers - 1) / 2; vectors >= 1; --vectors) {
        // A map's tiles are few, and more often a multiple of four than of what just fits.
        for (const int rows : {4, 8, 12, std::min(most_pixels(space, vectors), 12)}) {
            for (const int groups : {2, 4}) {
                seeds.push_back(winograd_tile(space, present, vectors, rows, groups));
            }
        }
    }
    return seeds;
}

std::vector<Numbers> winograd_neighbours(const Space& space, const Numbers& from) {
    const int pixels = get(from, "pixels"), tail = get(from, "tail"), rows = get(from, "rows");
    const int vectors = get(from, "vectors"), groups = std::max(1, pixels / rows);
    std::vector<Numbers> near;
    for (const int other : {pixels - rows, pixels + rows, pixels / 2, pixels * 2}) {
        near.push_back(with(from, {{"pixels", other}, {"tail", std::min(tail, other - 1)}}));
    }
    for (const int other : {rows - 1, rows + 1, rows / 2, rows * 2}) {
        if (other >= 1) {
            near.push_back(winograd_tile(space, from, vectors, other, groups));
        }
    }
    for (const int other : near_divisors(space, get(from, "unroll"))) {
        near.push_back(with(from, {{"unroll", other}}));
    }
    // Lists that are shorter than a chunk are tails alone.
    for (const int other : {1, 2, tail / 2, tail * 2, tail - 1, tail + 1}) {
        near.push_back(with(from, {{"tail", other}}));
    }
    for (const int other : {vectors / 2, vectors * 2}) {
        if (other >= 1) {
            const int most = most_pixels(space, other);
            near.push_back(
                winograd_tile(space, from, other, std::min(most, rows * vectors / other), groups));
        }
    }
    return near;
}

std::vector<Numbers> branch_seeds(const Space& space, const Numbers& present) {
    std::vector<Numbers> seeds;
    for (const int tile : {4, 8, 16}) {
        for (const int unroll : {1, 2, 3, 6}) {
            seeds.push_back(with(present, {{"tile", tile}, {"unroll", unroll}}));
        }
    }
    for (const int tile : {space.registers - 4}) {
        seeds.push_back(with(present, {{"tile", tile}}));
    }
    return seeds;
}

std::vector<Numbers> branch_neighbours(const Space& space, const Numbers& from) {
    const int tile = get(from, "tile");
    std::vector<Numbers> near;
    for (const int other : {tile - 2, tile + 2, tile / 2, tile * 2}) {
        near.push_back(with(from, {{"tile", other}}));
    }
    for (const int other : near_divisors(space, get(from, "unroll"))) {
        near.push_back(with(from, {{"unroll", other}}));
    }
    return near;
}

/// Sums that wait for each other go on beside those of the next tile: few are enough. The weights
/// of a window need registers as well, or are read from memory.
bool fits_depthwise(const Space& space, const Numbers& n) {
    const int pixels = get(n, "pixels"), vectors = get(n, "vectors");
    return vectors >= 1 && pixels >= 2 && pixels * space.windows <= most_pixels(space, vectors) &&
           space.channels % (vectors * space.lanes) == 0;
}

std::vector<Numbers> depthwise_seeds(const Numbers& present) {
    std::vector<Numbers> seeds;
    for (const int vectors : {1, 2}) {
        // Halves, quarters and sevenths of the usual rows: 7, 14, 28, 56 and 112 pixels.
        for (const int pixels : {4, 7, 8, 14}) {
            seeds.push_back(with(present, {{"pixels", pixels}, {"vectors", vectors}}));
        }
    }
    return seeds;
}

std::vector<Numbers> depthwise_neighbours(const Numbers& from) {
    const int pixels = get(from, "pixels"), vectors = get(from, "vectors");
    std::vector<Numbers> near;
    for (const int other : {pixels - 1, pixels + 1, pixels - 2, pixels + 2}) {
        near.push_back(with(from, {{"pixels", other}}));
    }
    for (const int other : {vectors - 1, vectors + 1}) {
        near.push_back(with(from, {{"vectors", other}}));
    }
    return near;
}

bool is_depthwise(const std::string& generator) {
    return generator == "depthwise_conv" || generator == "int8_depthwise";
}

/// Whether `pixels` and `vectors` are a register tile's.
bool has_conv_tile(const std::string& generator) {
    return generator == "gated_conv" || generator == "sparse_conv" || generator == "int8_conv";
}

/// Those that fit, each once.
std::vector<Numbers> keep_fitting(const Space& space, const std::vector<Numbers>& all) {
    std::vector<Numbers> kept;
    for (const Numbers& numbers : all) {
        if (fits(space, numbers) && std::find(kept.begin(), kept.end(), numbers) == kept.end()) {
            kept.push_back(numbers);
        }
    }
    return kept;
}

}  // namespace

int count_registers(const std::string& halide_target) {
    const bool has_32 =
        halide_target.find("avx512") != std::string::npos || halide_target.starts_with("arm-64");
    return has_32 ? 32 : 16;
}

bool is_tunable(const std::string& generator) {
    return is_conv(generator) || generator == "branch" || generator == "linear";
}

bool is_conv(const std::string& generator) {
    return generator == "winograd_conv" || is_depthwise(generator) || has_conv_tile(generator);
}

bool fits(const Space& space, const Numbers& numbers) {
    if (has_conv_tile(space.generator)) {
        return fits_conv(space, numbers);
    }
    if (space.generator == "winograd_conv") {
        return fits_winograd(space, numbers);
    }
    if (is_depthwise(space.generator)) {
        return fits_depthwise(space, numbers);
    }
    if (space.generator == "branch") {
        const int tile = get(numbers, "tile"), unroll = get(numbers, "unroll");
        return tile >= 2 && tile + 2 <= space.registers && divides_row(space, unroll) &&
               (unroll == 1 || tile * unroll <= longest_body);
    }
    const int parts = get(numbers, "parts");
    return parts >= 1 && parts + 2 <= space.registers && parts <= 16;
}

std::vector<Numbers> make_seeds(const Space& space, const Numbers& present) {
    std::vector<Numbers> seeds;
    if (has_conv_tile(space.generator)) {
        seeds = conv_seeds(space, present);
    } else if (space.generator == "winograd_conv") {
        seeds = winograd_seeds(space, present);
    } else if (is_depthwise(space.generator)) {
        seeds = depthwise_seeds(present);
    } else if (space.generator == "branch") {
        seeds = branch_seeds(space, present);
    } else {
        for (const int parts : {2, 4, 8}) {
            seeds.push_back(with(present, {{"parts", parts}}));
        }
    }
    return keep_fitting(space, seeds);
}

std::vector<Numbers> make_neighbours(const Space& space, const Numbers& from) {
    std::vector<Numbers> near;
    if (has_conv_tile(space.generator)) {
        near = conv_neighbours(space, from);
    } else if (space.generator == "winograd_conv") {
        near = winograd_neighbours(space, from);
    } else if (is_depthwise(space.generator)) {
        near = depthwise_neighbours(from);
    } else if (space.generator == "branch") {
        near = branch_neighbours(space, from);
    } else {
        const int parts = get(from, "parts");
        near = {with(from, {{"parts", parts - 1}}), with(from, {{"parts", parts + 1}}),
                with(from, {{"parts", parts + 2}})};
    }
    near = keep_fitting(space, near);
    near.erase(std::remove(near.begin(), near.end(), from), near.end());
    return near;
}

}  // namespace sluice::autotune
