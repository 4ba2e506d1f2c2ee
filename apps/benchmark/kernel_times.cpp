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

constexpr unsigned seed = 1;
constexpr double sample_ms = 0.2;  ///< long against the clock's own time, short against a round
constexpr int most_repeats = 1000;
constexpr double tolerance = 1e-4;  ///< of float sums of 4608 products, in any order
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

const char* family_name(Family family) {
    return family == Family::dense_conv ? "dense_conv" : "gated_conv";
}

KernelResult describe(Family family, const Target& target, const LayerShape& shape) {
    KernelResult row;
    row.family = family_name(family);
    row.target = target.id;
    row.height = shape.height;
    row.width = shape.width;
    row.channels = shape.channels;
    return row;
}

/// The kernel for exactly this shape's channels, or the generic one; null where there is none.
const Kernel* find(Family family, const Target& target, const LayerShape& shape, bool specialised) {
    const int pitch = specialised ? shape.channels : 0;
    for (const Kernel& kernel : kernels()) {
        if (kernel.family == family && std::strcmp(kernel.target, target.float32) == 0 &&
            kernel.pitch == pitch && kernel.kernel_size == (specialised ? 3 : 0)) {
            return &kernel;
        }
    }
    return nullptr;
}

Timed prepare(KernelResult row, const ConvCase& from, const Kernel& kernel,
              const std::vector<float>& expected) {
    row.kernel = kernel.name;
    row.shape_class = kernel.shape_class;
    const int positions = row.height * row.width;
    row.active = std::max<std::int64_t>(1, std::llround(row.density * positions));
    const std::vector<int> open = draw_positions(positions, static_cast<int>(row.active), seed);
    Timed timed{row, std::make_unique<ConvCall>(from, kernel, open), 1, {}};
    const int code = timed.call->run();
    const double difference = timed.call->difference(expected);
    if (code != 0 || !(difference <= tolerance)) {
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

std::vector<Timed> prepare_all(const KernelQuestion& question, const Target& target,
                               const LayerShape& shape) {
    const ConvCase from({shape.height, shape.width, shape.channels, shape.channels}, seed);
    std::vector<Timed> all;
    for (const Family family : question.families) {
        const bool gated = family == Family::gated_conv;
        const std::vector<float> expected = from.compute(gated);
        for (const bool specialised : {true, false}) {
            const Kernel* kernel = find(family, target, shape, specialised);
            KernelResult row = describe(family, target, shape);
            if (kernel == nullptr) {
                row.problem = specialised ? "generic only" : "no generic kernel";
                all.push_back({row, nullptr, 1, {}});
                continue;
            }
            for (const double density : gated ? question.densities : std::vector<double>{1.0}) {
                row.density = density;
                all.push_back(prepare(row, from, *kernel, expected));
            }
        }
    }
    return all;
}

void set_departures(std::vector<KernelResult>& rows) {
    for (KernelResult& row : rows) {
        const auto whole = std::find_if(rows.begin(), rows.end(), [&](const KernelResult& other) {
            return other.kernel == row.kernel && other.density == 1.0 && other.times;
        });
        if (row.times && row.density < 1.0 && whole != rows.end()) {
            const double share =
                static_cast<double>(row.active) / static_cast<double>(whole->active);
            row.departure = row.times->median_ms / whole->times->median_ms / share - 1;
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
    return rows;
}

}  // namespace

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
