#include "sweep/compare.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "kernels/registry.h"
#include "sluice/session.h"

namespace sluice::sweep {
namespace {

constexpr double criterion = 1e-4;

/// A model's file, gone with this object.
class ModelFile {
public:
    explicit ModelFile(const std::string& bytes)
        : path_(std::filesystem::temp_directory_path() /
                ("sluice_sweep_" + std::to_string(getpid()) + ".onnx")) {
        std::ofstream(path_, std::ios::binary) << bytes;
    }
    ~ModelFile() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }
    ModelFile(const ModelFile&) = delete;
    ModelFile& operator=(const ModelFile&) = delete;
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

/// The outputs of a run; NaN where it wrote nothing.
Result<std::vector<Tensor>> run(Session& session, const Net& net) {
    std::vector<TensorView> inputs;
    for (const ValueId id : net.graph.inputs) {
        inputs.push_back({net.value(id).data.data(), net.shape(id)});
    }
    std::vector<Tensor> results;
    for (const ValueId id : net.graph.outputs) {
        results.push_back({net.shape(id), std::vector<float>(net.value(id).data.size(), NAN)});
    }
    std::vector<MutableTensorView> outputs;
    for (Tensor& result : results) {
        outputs.push_back({result.data.data(), result.shape});
    }
    SLUICE_RETURN_IF_ERROR(session.run(inputs, outputs));
    return results;
}

/// Empty where every element is close enough.
std::string difference(const Net& net, ValueId id, const Tensor& result, Tally& tally) {
    const Tensor& expected = net.value(id);
    const double scale = double(net.largest(id));
    double worst = 0;
    std::size_t at = 0, count = 0;
    for (std::size_t i = 0; i < expected.data.size(); ++i) {
        const double off = std::abs(double(result.data[i]) - double(expected.data[i]));
        const bool is_close = off <= criterion * scale;
        count += is_close ? 0 : 1;
        if (std::isnan(off) || off > worst) {
            worst = off;
            at = i;
        }
        if (std::isnan(off)) {
            break;
        }
    }
    if (count == 0) {
        tally.largest_difference =
            std::max(tally.largest_difference, scale > 0 ? worst / scale : 0);
        return {};
    }
    std::ostringstream text;
    text << "output " << net.graph.values[std::size_t(id)].name << " of "
         << to_string(expected.shape) << " differs at " << at << ": " << result.data[at] << ", not "
         << expected.data[at] << "; " << count << " elements differ, the largest is " << scale
         << "\n";
    return text.str();
}

bool counts_macs(const std::string& kernel) {
    return std::any_of(kernels().begin(), kernels().end(), [&](const Kernel& k) {
        return k.algorithm <= Algorithm::branch && kernel == k.name;
    });
}

/// Kernels that the last run called: of those that count multiply-accumulates, a list of nothing to
/// compute is no call.
void add_run_kernels(const Model& model, const Session& session, std::set<std::string>& ran) {
    const std::vector<StepInfo> steps = model.steps();
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const StepReading& reading = session.steps()[i];
        if (counts_macs(steps[i].kernel) ? reading.macs > 0 : reading.seconds > 0) {
            ran.insert(steps[i].kernel);
        }
    }
}

}  // namespace

std::string compare(const Net& net, const std::string& target, bool winograd, Tally& tally) {
    const ModelFile file(net.model());
    const auto model = Model::load(file.path(), {target, winograd});
    if (!model.ok()) {
        return "does not load: " + model.status().message() + "\n";
    }
    std::set<std::string> ran;
    std::string text;
    for (const int threads : {1, 3}) {
        auto session = Session::create(model.value(), {threads, false, true});
        if (!session.ok()) {
            return "has no session: " + session.status().message() + "\n";
        }
        for (const char* const which : {"first", "second"}) {
            const auto results = run(session.value(), net);
            if (!results.ok()) {
                return "does not run: " + results.status().message() + "\n";
            }
            for (std::size_t i = 0; i < net.graph.outputs.size(); ++i) {
                const std::string off =
                    difference(net, net.graph.outputs[i], results.value()[i], tally);
                text += off.empty()
                            ? off
                            : std::to_string(threads) + " threads, " + which + " run: " + off;
            }
        }
        add_run_kernels(model.value(), session.value(), ran);
    }
    for (const std::string& kernel : ran) {
        ++tally.ran[kernel];
    }
    return text.empty() ? text : text + model.value().explain();
}

}  // namespace sluice::sweep
