#include "benchmark/kernel_times.h"

#include <time.h>  // clock_gettime

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>

#include "benchmark/conv_case.h"

namespace sluice::benchmark {
namespace {

using Clock = std::chrono::steady_clock;

// Of this thread: kernels run on one, and what others do on its core meanwhile is not theirs.
double cpu_milliseconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

constexpr unsigned layer_seed = 1;
constexpr double sample_ms = 0.2;  ///< long against the clock's own time, short against a round
constexpr int most_repeats = 1000;
constexpr std::size_t least_rounds = 5;

double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// A row to be, its call and its samples.
struct Timed {
    KernelResult result;
    std::unique_ptr<ConvCall> call;  ///< null where there is nothing to time
    int repeats = 1;
    std::vector<double> samples;

    void sample() {
        call->run();  // what the others left in the cache is not this kernel's
        const double start = cpu_milliseconds();
        for (int i = 0; i < repeats; ++i) {
            call->run();
        }
        samples.push_back((cpu_milliseconds() - start) / repeats);
    }
};

bool is_winograd(const Family& family) { return family.algorithm == Algorithm::winograd_conv; }

KernelResult describe(const Family& family, const Target& target, const LayerShape& shape) {
    KernelResult row;
    row.family = family_name(family);
    row.target = target.id;
    row.height = shape.height;
    row.width = shape.width;
    row.channels = shape.channels;
    return row;
}

/// The kernel for exactly this shape's channels, or the generic one; null where there is none.
const Kernel* find(const Family& family, const Target& target, const LayerShape& shape,
                   bool specialised) {
    const int channels = specialised ? shape.channels : 0, window = specialised ? 3 : 0;
    for (const Kernel& kernel : kernels()) {
        if (Family{kernel.algorithm, kernel.gate} != family ||
            std::strcmp(kernel.target, target.id) != 0) {
            continue;
        }
        const bool winograd = is_winograd(family);
        const int extent =
            winograd ? kernel.as<WinogradInfo>().taps : kernel.as<DirectInfo>().kernel;
        if (channels_of(kernel) == channels && extent == window) {
            return &kernel;
        }
    }
    return nullptr;
}

/// A share of the map's positions, or of its tiles where they have a side.
Open draw(const ConvShape& shape, double density, int side) {
    const int all = side > 0 ? count_tiles(shape, side) : shape.positions();
    const int active = std::max(1, static_cast<int>(std::lround(density * all)));
    return side > 0 ? draw_tiles(shape, side, active, layer_seed)
                    : Open{draw_positions(all, active, layer_seed), {}};
}

Timed prepare(KernelResult row, const ConvCase& from, const Kernel& kernel, int side,
              const std::vector<float>& expected) {
    row.kernel = kernel.name;
    row.shape_class = kernel.shape_class;
    const Open open = draw(from.shape(), row.density, side);
    row.active = static_cast<std::int64_t>(open.positions.size());
    row.tiles = static_cast<std::int64_t>(open.tiles.size());
    row.side = side;
    Timed timed{row, std::make_unique<ConvCall>(from, kernel, open), 1, {}};
    const int code = timed.call->run();
    const double difference = timed.call->difference(expected);
    if (code != 0 || !(difference <= (row.is_winograd() ? winograd_tolerance : direct_tolerance))) {
        timed.result.problem = "wrong answer: differs from the scalar one by " +
                               std::to_string(difference) + " of the largest";
        timed.call.reset();
        return timed;
    }
    const double start = cpu_milliseconds();
    timed.call->run();
    const double once = std::max(cpu_milliseconds() - start, sample_ms / most_repeats);
    timed.repeats = std::max(1, static_cast<int>(sample_ms / once));
    return timed;
}

/// The rows of one kernel, one a density, after those that are there; tiles of `side` are open, or
/// single positions where it is 0.
void add_rows(const KernelQuestion& question, const KernelResult& row, const ConvCase& from,
              const Kernel& kernel, int side, std::vector<Timed>& all) {
    const bool gated = kernel.gate == GateForm::position;
    const std::vector<float> expected = from.compute(gated);
    for (const double density : gated ? question.densities : std::vector<double>{1.0}) {
        KernelResult of_density = row;
        of_density.density = density;
        all.push_back(prepare(of_density, from, kernel, side, expected));
    }
}

std::vector<Timed> prepare_all(const KernelQuestion& question, const Target& target,
                               const LayerShape& shape) {
    const ConvCase from({shape.height, shape.width, shape.channels, shape.channels}, layer_seed);
    const auto& families = question.families;
    const bool asks_for_tiles =
        std::find(families.begin(), families.end(), gated_winograd) != families.end();
    const Kernel* tiled = asks_for_tiles ? find(gated_winograd, target, shape, true) : nullptr;
    std::vector<Timed> all;
    for (const Family& family : families) {
        for (const bool specialised : {true, false}) {
            const bool winograd = is_winograd(family);
            if (winograd && !specialised) {
                continue;
            }
            const Kernel* kernel = find(family, target, shape, specialised);
            KernelResult row = describe(family, target, shape);
            if (kernel == nullptr ||
                (winograd && count_tiles(from.shape(), side_of(*kernel)) == 0)) {
                row.problem = kernel != nullptr ? "smaller than a tile"
                              : winograd        ? "direct only"
                              : specialised     ? "generic only"
                                                : "no generic kernel";
                all.push_back({row, nullptr, 1, {}});
                continue;
            }
            add_rows(question, row, from, *kernel, side_of(*kernel), all);
            if (family == gated_conv && specialised && tiled != nullptr &&
                count_tiles(from.shape(), side_of(*tiled)) > 0) {
                add_rows(question, row, from, *kernel, side_of(*tiled), all);
            }
        }
    }
    return all;
}

/// What a kernel's time should be proportional to.
double entries_of(const KernelResult& row) {
    return static_cast<double>(row.is_winograd() ? row.tiles : row.active);
}

void set_departures(std::vector<KernelResult>& rows) {
    for (KernelResult& row : rows) {
        const auto whole = std::find_if(rows.begin(), rows.end(), [&](const KernelResult& other) {
            return other.kernel == row.kernel && other.density == 1.0 && other.times &&
                   (other.tiles > 0) == (row.tiles > 0);
        });
        if (row.times && row.density < 1.0 && whole != rows.end()) {
            const double share = entries_of(row) / entries_of(*whole);
            row.departure = row.times->median_ms / whole->times->median_ms / share - 1;
        }
    }
}

/// Compares each Winograd row with the direct kernel's on the same positions.
void set_speed_ups(std::vector<KernelResult>& rows) {
    for (KernelResult& row : rows) {
        if (!row.is_winograd() || !row.times) {
            continue;
        }
        const Family direct = row.family == family_name(dense_winograd) ? dense_conv : gated_conv;
        const auto other = std::find_if(rows.begin(), rows.end(), [&](const KernelResult& from) {
            const bool same_positions = direct == dense_conv || from.tiles == row.tiles;
            return from.family == family_name(direct) && from.times && same_positions &&
                   from.shape_class == row.shape_class;
        });
        if (other != rows.end()) {
            row.speed_up = other->times->median_ms / row.times->median_ms;
            row.break_even = row.times->median_ms / entries_of(row) /
                             (row.side * row.side * other->times->median_ms / entries_of(*other));
        }
    }
}

std::vector<KernelResult> time_shape(std::vector<Timed>& all, double seconds) {
    const auto start = Clock::now();
    for (std::size_t round = 0; round < least_rounds || milliseconds_since(start) < seconds * 1000;
         ++round) {
        // Each round begins elsewhere, so that none always follows the same other.
        for (std::size_t i = 0; i < all.size(); ++i) {
            Timed& timed = all[(i + round) % all.size()];
            if (timed.call) {
                timed.sample();
            }
        }
    }
    std::vector<KernelResult> rows;
    for (Timed& timed : all) {
        if (timed.call) {
            timed.result.times = summarise(timed.samples);
        }
        rows.push_back(timed.result);
    }
    set_departures(rows);
    set_speed_ups(rows);
    return rows;
}

}  // namespace

const char* family_name(const Family& family) {
    for (const TimedFamily& timed : timed_families) {
        if (timed.family == family) {
            return timed.name;
        }
    }
    return "";
}

std::string to_text(const LayerShape& shape) {
    return std::to_string(shape.height) + "x" + std::to_string(shape.width) + "x" +
           std::to_string(shape.channels);
}

std::vector<LayerShape> standard_shapes() {
    return {{56, 56, 64}, {28, 28, 128}, {14, 14, 256}, {7, 7, 512},
            {32, 32, 16}, {16, 16, 32},  {8, 8, 64}};
}

Result<std::vector<KernelResult>> time_kernels(
    const KernelQuestion& question, const Target& target,
    const std::function<Status(const std::vector<KernelResult>&)>& done) {
    std::vector<KernelResult> results;
    for (const LayerShape& shape : question.shapes) {
        std::vector<Timed> all = prepare_all(question, target, shape);
        const std::vector<KernelResult> rows = time_shape(all, question.seconds);
        results.insert(results.end(), rows.begin(), rows.end());
        SLUICE_RETURN_IF_ERROR(done(rows));
    }
    return results;
}

}  // namespace sluice::benchmark
