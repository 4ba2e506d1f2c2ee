#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "kernels/registry.h"
#include "sluice/model.h"
#include "sluice/session.h"

/// Networks and ONNX Runtime's outputs for them, as make_cases.py wrote them.
namespace sluice::session_test {

using Extents = std::vector<std::int64_t>;

/// Dense, row-major, ONNX order.
struct Array {
    Extents shape;
    std::vector<float> values;

    explicit Array(Extents extents);
    std::int64_t images() const { return shape[0]; }
    std::size_t image_size() const { return values.size() / std::size_t(shape[0]); }
    const float* image(std::int64_t number) const {
        return values.data() + std::size_t(number) * image_size();
    }
    /// Images first .. first + count.
    TensorView view(std::int64_t first, const Extents& part) const { return {image(first), part}; }
    MutableTensorView mutable_view(std::int64_t first, const Extents& part) {
        return {values.data() + std::size_t(first) * image_size(), part};
    }
    /// The shape of `count` images.
    Extents part(std::int64_t count) const;
};

/// A gate's values over all images, [images, maps, height, width].
struct RecordedGate {
    std::string layer;  ///< the gated convolution's node
    Array values;
};

struct Case {
    std::string name;
    std::filesystem::path model;
    Array x, y;
    std::vector<RecordedGate> gates;
};

/// A network of several outputs.
struct LayoutCase {
    std::string name;
    std::filesystem::path model;
    Array x;
    std::vector<Array> outputs;
};

/// $SLUICE_SESSION_CASES, or what the build wrote.
std::filesystem::path case_folder();
/// Of each network's images; 0: all, as of $SLUICE_SESSION_CASES always.
std::int64_t compared_images();

/// Numbers of threads whose answers must be those of one. In an emulated run the odd one alone,
/// which shares out few things evenly.
std::vector<int> shared_among();
/// "small", "nan" or "network", the first `images` of each (0: all); never empty.
std::vector<Case> read_cases(const std::string& kind, std::int64_t images = 0);
std::vector<LayoutCase> read_layout_cases();
/// The first `images` of it; 0: all.
Case read_case(const std::string& name, std::int64_t images = 0);
std::filesystem::path demo_model();

/// The targets that this CPU runs; the others are reported as skipped.
std::vector<std::string> possible_targets();
/// Without those whose kernels of floats are their base's.
std::vector<std::string> float_targets();

/// Ends the test where there is none.
Model load(const std::filesystem::path& path, const std::string& target = {}, bool winograd = true,
           std::int64_t cache_bytes = ModelOptions{}.cache_bytes);
/// By StepInfo::kernel.
const Kernel& kernel_named(const std::string& name);
/// Whether Winograd computes any of it.
bool uses_winograd(const Model& model);
/// Steps of a layer that such kernels compute.
std::vector<std::size_t> steps_of(const Model& model, const std::string& layer, Algorithm algorithm,
                                  GateForm gate = GateForm::position);
/// MACs that the last run spent on them; the session records steps.
std::int64_t macs_of(const Model& model, const Session& session, const std::string& layer,
                     Algorithm algorithm, GateForm gate = GateForm::position);
Session open(const Model& model, const SessionOptions& options = {});

/// The outputs for all images of x, `batch` of them per run.
Array run(Session& session, const Array& x, const Extents& y_shape, std::int64_t batch);
/// The largest difference over the largest expected value; infinite where a NaN is.
double relative(const float* actual, const float* expected, std::size_t count);
/// Runs a case's images one by one, each followed by a look at the session.
void run_each(Session& session, const Case& c, const std::function<void()>& look);

}  // namespace sluice::session_test
