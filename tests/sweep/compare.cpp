#include "sweep/compare.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "kernels/registry.h"
#include "session/buffer.h"
#include "sluice/session.h"
#include "sweep/model_file.h"

namespace sluice::sweep {
namespace {

using session_test::Buffer;

constexpr double criterion = 1e-4;

/// The outputs of a run; NaN, or 99 of bytes, where it wrote nothing.
Result<std::vector<Tensor>> run(Session& session, const Model& model, const Net& net) {
    std::vector<Buffer> from, to;
    std::vector<TensorView> inputs;
    std::vector<MutableTensorView> outputs;
    for (std::size_t i = 0; i < net.graph.inputs.size(); ++i) {
        from.emplace_back(model.inputs()[i].type, net.value(net.graph.inputs[i]).data);
    }
    for (std::size_t i = 0; i < net.graph.outputs.size(); ++i) {
        const DataType type = model.outputs()[i].type;
        const float nothing = type == DataType::float32 ? NAN : 99;
        to.emplace_back(type,
                        std::vector<float>(net.value(net.graph.outputs[i]).data.size(), nothing));
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
        inputs.push_back(from[i].view(net.shape(net.graph.inputs[i])));
    }
    for (std::size_t i = 0; i < to.size(); ++i) {
        outputs.push_back(to[i].mutable_view(net.shape(net.graph.outputs[i])));
    }
    SLUICE_RETURN_IF_ERROR(session.run(inputs, outputs));
    std::vector<Tensor> results;
    for (std::size_t i = 0; i < to.size(); ++i) {
        results.push_back({net.shape(net.graph.outputs[i]), to[i].numbers()});
    }
    return results;
}

/// Empty where every element is close enough.
std::string difference(const std::string& name, const Wanted& wanted, const Tensor& result,
                       Tally& tally) {
    const Tensor& expected = wanted.values;
    double worst = 0, scale = 0, sum = 0;
    std::size_t at = 0, count = 0;
    for (std::size_t i = 0; i < expected.data.size(); ++i) {
        const double off = std::abs(double(result.data[i]) - double(expected.data[i]));
        const bool is_close = wanted.is_mean ? std::isfinite(off) : off <= wanted.tolerance;
        scale = std::max(scale, double(std::abs(expected.data[i])));
        sum += off;
        count += is_close ? 0 : 1;
        if (std::isnan(off) || off > worst) {
            worst = off;
            at = i;
        }
        if (std::isnan(off)) {
            break;
        }
    }
    if (wanted.is_mean && sum > wanted.tolerance * double(expected.data.size())) {
        count = expected.data.size();
    }
    if (count == 0) {
        tally.largest_difference =
            std::max(tally.largest_difference, scale > 0 ? worst / scale : 0);
        return {};
    }
    std::ostringstream text;
    text << "output " << name << " of " << to_string(expected.shape) << " differs at " << at << ": "
         << result.data[at] << ", not " << expected.data[at] << "; " << count
         << " elements differ, the largest is " << scale << "\n";
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

std::vector<Wanted> wanted_of(const Net& net) {
    std::vector<Wanted> wanted;
    for (const ValueId id : net.graph.outputs) {
        wanted.push_back({net.value(id), criterion * double(net.largest(id))});
    }
    return wanted;
}

std::string compare(const Net& net, const std::vector<Wanted>& wanted, const ModelOptions& options,
                    Tally& tally) {
    const ModelFile file(net.model());
    const auto model = Model::load(file.path(), options);
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
            const auto results = run(session.value(), model.value(), net);
            if (!results.ok()) {
                return "does not run: " + results.status().message() + "\n";
            }
            for (std::size_t i = 0; i < net.graph.outputs.size(); ++i) {
                const std::string& name = model.value().outputs()[i].name;
                const std::string off = difference(name, wanted[i], results.value()[i], tally);
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
