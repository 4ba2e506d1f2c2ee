#pragma once

#include <span>
#include <string>
#include <vector>

#include "benchmark/conv_case.h"
#include "benchmark/results.h"
#include "sluice/model.h"

namespace sluice::benchmark {

struct LayerTimes {
    std::vector<StepResult> steps;
    std::vector<LayerResult> layers;
};

/// Times every step of a network on one thread, picture by picture, and in turn with it the kernel
/// that a plan computes each layer by, whose gate skips positions, were there no gate. `pictures`
/// holds whole inputs of `shape`, one after the other. A figure is the mean over the pictures of
/// each one's median.
Result<LayerTimes> time_layers(const Model& model, std::span<const float> pictures,
                               std::span<const std::int64_t> shape, double seconds);

/// The sizes in a step's "16x32x32 -> 32x16x16, 3x3 by 2x2"; fails where the text is of another
/// form.
Result<ConvShape> parse_conv_shape(const std::string& text);

}  // namespace sluice::benchmark
