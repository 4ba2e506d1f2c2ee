#include "benchmark/kernel_times.h"

#include <time.h>  // clock_gettime

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <deque>
#include <iterator>
#include <memory>
#include <variant>

#include "common/layer_run.h"

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
    std::unique_ptr<apps::LayerRun> call;  ///< null where there is nothing to time
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

bool is_int8(const Family& family) { return family.algorithm == Algorithm::int8_conv; }

bool is_depthwise(const Family& family) { return family.algorithm == Algorithm::depthwise_conv; }

KernelResult describe(const Family& family, const Target& target, const LayerShape& shape) {
    KernelResult row;
    row.family = family_name(family);
    row.target = target.id;
    row.height = shape.height;
    row.width = shape.width;
    row.channels = shape.channels;
    return row;
}

WayId way_of(const Family& family) {
    return is_winograd(family)    ? WayId::winograd
           : is_int8(family)      ? WayId::int8
           : is_depthwise(family) ? WayId::depthwise
                                  : WayId::direct;
}

/// Of a Winograd kernel's tiles; 0 for others.
int side_of(const Kernel& kernel) {
    const auto* info = std::get_if<WinogradInfo>(&kernel.info);
    return info != nullptr ? info->side : 0;
}

/// Whether a kernel is for 3x3 windows of exactly these channels and a stride of 1; for 0 channels,
/// whether it is for any.
bool is_for(const Kernel& kernel, int channels) {
    if (const auto* winograd = std::get_if<WinogradInfo>(&kernel.info)) {
        return winograd->taps == 3 && winograd->stride == 1 && winograd->channels == channels;
    }
    if (const auto* int8 = std::get_if<Int8Info>(&kernel.info)) {
        return int8->kernel == (channels > 0 ? 3 : 0) && int8->channels == channels;
    }
    if (const auto* depthwise = std::get_if<DepthwiseInfo>(&kernel.info)) {
        // All take any number of channels; those for 3x3 windows are in the layers' own rows.
        return depthwise->kernel == (channels > 0 ? 3 : 0);
    }
    const auto& direct = kernel.as<DirectInfo>();
    return direct.kernel == (channels > 0 ? 3 : 0) && direct.channels == channels;
}

/// The build's kernels, of this family those for these channels alone; 0: the generic ones.
std::vector<Kernel> kernels_of(const Family& family, int channels) {
    std::vector<Kernel> chosen;
    std::copy_if(
        kernels().begin(), kernels().end(), std::back_inserter(chosen), [&](const Kernel& kernel) {
            return Family{kernel.algorithm, kernel.gate} != family || is_for(kernel, channels);
        });
    return chosen;
}

/// Makes the call of a row whose kernel and density are there, and checks its answer. The gate is
/// one for each square of `grid` outputs each way; 0: there is none.
Timed prepare(KernelResult row, const ConvCase& from, Alternative layer, int grid) {
    const Kernel kernel = layer.kernel();
    row.kernel = kernel.name;
    row.shape_class = kernel.shape_class;
    row.is_generic = is_for(kernel, 0);
    Timed timed{row, std::make_unique<apps::LayerRun>(std::move(layer), layer_seed), 1, {}};
    apps::LayerRun& call = *timed.call;
    if (from.is_quantised()) {
        const std::vector<std::uint8_t> bytes = from.byte_input();
        std::copy(bytes.begin(), bytes.end(), call.byte_input(0).begin());
    } else {
        std::copy(from.input().begin(), from.input().end(), call.input(0).begin());
    }
    std::vector<float> gate;
    const LayerShape& shape = from.shape();
    timed.result.active = shape.positions();
    if (grid > 0) {
        const int squares = count_squares(shape, grid);
        gate = draw_gate(shape, grid, std::max(1, int(std::lround(row.density * squares))),
                         layer_seed);
        std::copy(gate.begin(), gate.end(), call.input(1).begin());
        timed.result.active = count_active(shape, gate, grid);
    }
    const apps::Answer answer = call.compute();
    if (row.is_winograd()) {
        timed.result.side = side_of(kernel);
        timed.result.tiles = call.entries();
    } else if (grid > 1) {
        timed.result.side = grid;
        timed.result.tiles =
            std::count_if(gate.begin(), gate.end(), [](float g) { return g != 0; });
    }
    const double difference = apps::difference(answer.values, from.compute(gate, grid));
    if (!(difference <= apps::tolerance_of(kernel))) {
        timed.result.problem = "wrong answer: differs from the scalar one by " +
                               std::to_string(difference) + " of the largest";
        timed.call.reset();
        return timed;
    }
    const double start = cpu_milliseconds();
    call.run();
    const double once = std::max(cpu_milliseconds() - start, sample_ms / most_repeats);
    timed.repeats = std::max(1, static_cast<int>(sample_ms / once));
    return timed;
}

/// Makes the rows of one shape. It must outlive them.
class Rows {
public:
    Rows(const KernelQuestion& question, const Target& target, const LayerShape& shape)
        : question_(question),
          target_(target),
          from_(shape, layer_seed),
          bytes_(shape, layer_seed, LayerKind::quantised),
          channels_(shape, layer_seed, LayerKind::depthwise) {}

    std::vector<Timed> prepare_all() {
        for (const Family& family : question_.families) {
            for (const int channels : {from_.shape().channels, 0}) {
                add(family, channels);
                if (family == gated_conv && channels > 0) {
                    add_on_tiles();
                }
            }
        }
        return std::move(rows_);
    }

private:
    const ConvCase& case_of(const Family& family) const {
        return is_int8(family) ? bytes_ : is_depthwise(family) ? channels_ : from_;
    }

    const std::vector<Kernel>& choose(const Family& family, int channels) {
        return kernels_.emplace_back(kernels_of(family, channels));
    }

    std::optional<Alternative> plan(const Family& family, const std::vector<Kernel>& kernels,
                                    int grid) const {
        const Graph graph = case_of(family).graph(grid);
        return alternative(graph, graph.nodes.back(), target_, way_of(family), kernels);
    }

    void add_densities(const Family& family, const std::vector<Kernel>& kernels, int grid) {
        for (const double density : grid > 0 ? question_.densities : std::vector<double>{1.0}) {
            KernelResult row = describe(family, target_, from_.shape());
            row.density = density;
            rows_.push_back(
                prepare(std::move(row), case_of(family), *plan(family, kernels, grid), grid));
        }
    }

    void add(const Family& family, int channels) {
        const std::vector<Kernel>& kernels = choose(family, channels);
        const bool winograd = is_winograd(family), gated = family.gate != GateForm::none;
        if (const auto layer = plan(family, kernels, gated ? 1 : 0)) {
            add_densities(family, kernels, !gated ? 0 : winograd ? side_of(layer->kernel()) : 1);
            return;
        }
        // Without kernels of their own, Winograd and int8 have those for any channels.
        if ((winograd || is_int8(family)) && channels > 0) {
            return;
        }
        Timed none{describe(family, target_, from_.shape()), nullptr, 1, {}};
        none.result.problem = channels > 0       ? "generic only"
                              : !winograd        ? "no generic kernel"
                              : is_small(family) ? "smaller than a tile"
                                                 : "direct only";
        rows_.push_back(std::move(none));
    }

    /// Whether Winograd has a kernel for these channels, but on larger maps.
    bool is_small(const Family& family) const {
        constexpr std::int64_t side = 64;
        const std::int64_t channels = round_up(from_.shape().channels, target_.lanes);
        const ConvLayer large{.kernel = {3, 3},
                              .stride = {1, 1},
                              .pads = {1, 1, 1, 1},
                              .input = {side + 2, side + 2},
                              .output = {side, side},
                              .channel_stride = channels,
                              .outputs = channels};
        return find_conv(family.algorithm, family.gate, target_, large) != nullptr;
    }

    /// The direct kernel on what Winograd's computes.
    void add_on_tiles() {
        const auto& families = question_.families;
        const bool wants_tiles =
            std::find(families.begin(), families.end(), gated_winograd) != families.end();
        const auto tiled = wants_tiles ? plan(gated_winograd, all_, 1) : std::nullopt;
        if (tiled) {
            add_densities(gated_conv, all_, side_of(tiled->kernel()));
        }
    }

    const KernelQuestion& question_;
    const Target& target_;
    const ConvCase from_, bytes_, channels_;
    const std::vector<Kernel> all_{kernels().begin(), kernels().end()};
    std::deque<std::vector<Kernel>> kernels_;  ///< that the plans of the calls point into
    std::vector<Timed> rows_;
};

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

/// Compares each Winograd row with the fastest direct kernel on the same positions.
void set_speed_ups(std::vector<KernelResult>& rows) {
    for (KernelResult& row : rows) {
        if (!row.is_winograd() || !row.times) {
            continue;
        }
        const Family direct = row.family == family_name(dense_winograd) ? dense_conv : gated_conv;
        const KernelResult* other = nullptr;
        for (const KernelResult& from : rows) {
            const bool same_positions =
                direct == dense_conv || (from.tiles == row.tiles && from.side == row.side);
            if (from.family == family_name(direct) && from.times && same_positions &&
                (other == nullptr || from.times->median_ms < other->times->median_ms)) {
                other = &from;
            }
        }
        if (other != nullptr) {
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
            timed.result.times = apps::summarise(timed.samples);
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
        Rows of_shape(question, target, shape);
        std::vector<Timed> all = of_shape.prepare_all();
        const std::vector<KernelResult> rows = time_shape(all, question.seconds);
        results.insert(results.end(), rows.begin(), rows.end());
        SLUICE_RETURN_IF_ERROR(done(rows));
    }
    return results;
}

}  // namespace sluice::benchmark
