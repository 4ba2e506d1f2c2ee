#pragma once

#include <functional>
#include <string>
#include <vector>

#include "benchmark/conv_case.h"
#include "benchmark/results.h"
#include "kernels/registry.h"
#include "sluice/status.h"

namespace sluice::benchmark {

/// "56x56x64".
std::string to_text(const LayerShape& shape);

/// The 3x3 layers of ResNets at 224x224 and at 32x32.
std::vector<LayerShape> standard_shapes();

/// Kernels that are asked for and shown together.
struct Family {
    Algorithm algorithm;
    GateForm gate;
    bool operator==(const Family&) const = default;
};
inline constexpr Family dense_conv{Algorithm::gated_conv, GateForm::none};
inline constexpr Family gated_conv{Algorithm::gated_conv, GateForm::position};
inline constexpr Family dense_winograd{Algorithm::winograd_conv, GateForm::none};
inline constexpr Family gated_winograd{Algorithm::winograd_conv, GateForm::position};
inline constexpr Family dense_depthwise{Algorithm::depthwise_conv, GateForm::none};
inline constexpr Family gated_depthwise{Algorithm::depthwise_conv, GateForm::position};
inline constexpr Family dense_int8{Algorithm::int8_conv, GateForm::none};
inline constexpr Family gated_int8{Algorithm::int8_conv, GateForm::position};

struct TimedFamily {
    Family family;
    const char* name;
};

/// The kernel families that can be asked for.
inline constexpr TimedFamily timed_families[] = {
    {dense_conv, "dense_conv"},           {dense_winograd, "dense_winograd"},
    {gated_conv, "gated_conv"},           {gated_winograd, "gated_winograd"},
    {dense_int8, "dense_int8"},           {gated_int8, "gated_int8"},
    {dense_depthwise, "dense_depthwise"}, {gated_depthwise, "gated_depthwise"}};

/// The name of one of these; empty for another.
const char* family_name(const Family& family);

struct KernelQuestion {
    std::vector<Family> families = {dense_conv, dense_winograd, gated_conv,      gated_winograd,
                                    dense_int8, gated_int8,     dense_depthwise, gated_depthwise};
    std::vector<LayerShape> shapes = standard_shapes();
    std::vector<double> densities = {1.0, 0.7, 0.5, 0.3, 0.1};
    double seconds = 2;  ///< for each shape
};

/// Times the kernels for the shape's channels and those for any side by side with random gates, in
/// rounds that visit each; `done` gets the rows of each shape as they are there. A row whose answer
/// is not the scalar one has no times. Where there is no kernel for the shape's channels alone, a
/// row says so. Fails where `done` does.
///
/// gated_winograd's layer has a gate per tile, of which a density is the share; gated_conv
/// has rows on the positions of those very tiles, beside those of a gate per position.
Result<std::vector<KernelResult>> time_kernels(
    const KernelQuestion& question, const Target& target,
    const std::function<Status(const std::vector<KernelResult>&)>& done);

}  // namespace sluice::benchmark
