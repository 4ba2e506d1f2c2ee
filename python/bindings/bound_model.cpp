#include "bindings/bound_model.h"

#include <vector>

#include "bindings/errors.h"

namespace sluice::python {
namespace {

Model load(const std::filesystem::path& path, const ModelOptions& options) {
    const auto read = [&] {
        const nb::gil_scoped_release released;
        return Model::load(path, options);
    };
    return value_of(read());
}

Session open(const Model& model, const SessionOptions& options) {
    const auto make = [&] {
        const nb::gil_scoped_release released;
        return Session::create(model, options);
    };
    return value_of(make());
}

std::optional<ImageSize> image_size(const std::optional<BoundModel::Size>& size) {
    return size ? std::optional(ImageSize{size->first, size->second}) : std::nullopt;
}

}  // namespace

BoundModel::BoundModel(Model model, std::string file, int threads, bool record_gates)
    : file_(std::move(file)),
      model_(std::move(model)),
      threads_(threads),
      record_gates_(record_gates),
      session_(open(model_, {.threads = threads, .record_gates = record_gates})) {}

BoundModel::BoundModel(const std::filesystem::path& path, const std::string& target, int threads,
                       std::optional<Size> size, bool int8, bool winograd, bool record_gates)
    : BoundModel(load(path, {target, winograd, int8, image_size(size)}), path.string(), threads,
                 record_gates) {}

BoundModel::BoundModel(const BoundModel& other, int threads)
    : BoundModel(other.model_, other.file_, threads, other.record_gates_) {}

nb::list BoundModel::describe(const std::vector<TensorInfo>& tensors) {
    nb::list described;
    for (const TensorInfo& info : tensors) {
        nb::list shape;
        for (const Dimension& dimension : info.shape) {
            if (dimension.size < 0) {
                shape.append(to_python(dimension.name));
            } else {
                shape.append(dimension.size);
            }
        }
        described.append(
            nb::make_tuple(to_python(info.name), nb::tuple(shape), nb::str(to_string(info.type))));
    }
    return described;
}

nb::list BoundModel::steps() const {
    const auto names = [](const std::vector<std::string>& texts) {
        nb::list listed;
        for (const std::string& text : texts) {
            listed.append(to_python(text));
        }
        return nb::tuple(listed);
    };
    nb::list described;
    for (const StepInfo& step : model_.steps()) {
        nb::list reads;
        for (const std::size_t number : step.reads) {
            reads.append(number);
        }
        nb::dict fields;
        fields["node"] = to_python(step.node);
        fields["kernel"] = to_python(step.kernel);
        fields["algorithm"] = to_python(step.algorithm);
        fields["shape"] = to_python(step.shape);
        fields["macs"] = step.macs;
        fields["macs_per_entry"] = step.macs_per_entry;
        fields["packed_bytes"] = step.packed_bytes;
        fields["remark"] = to_python(step.remark);
        fields["reads"] = nb::tuple(reads);
        fields["inputs"] = names(step.inputs);
        fields["outputs"] = names(step.outputs);
        described.append(fields);
    }
    return described;
}

nb::dict BoundModel::metadata() const {
    nb::dict properties;
    for (const auto& [key, value] : model_.metadata()) {
        properties[to_python(key)] = to_python(value);
    }
    return properties;
}

nb::list BoundModel::run(nb::list arrays) {
    std::vector<Input> inputs;
    inputs.reserve(arrays.size());
    for (std::size_t i = 0; i < arrays.size() && i < model_.inputs().size(); ++i) {
        inputs.push_back(read_array(arrays[i], model_.inputs()[i], file_));
    }
    std::vector<TensorView> input_views;
    for (const Input& input : inputs) {
        input_views.push_back(input.view());
    }
    input_views.resize(arrays.size());  // those too many are refused with the others
    const std::int64_t batch = value_of(session_.batch_of(input_views));
    std::vector<Output> outputs;
    std::vector<MutableTensorView> output_views;
    outputs.reserve(model_.outputs().size());
    for (const TensorInfo& info : model_.outputs()) {
        outputs.push_back(maker_.make(info, batch));
        output_views.push_back(outputs.back().view());
    }
    const auto compute = [&] {
        const nb::gil_scoped_release released;
        const std::lock_guard lock(session_in_use_);
        return session_.run(input_views, output_views);
    };
    if (const Status ran = compute(); !ran.ok()) {
        raise(ran);
    }
    has_run_ = true;
    nb::list results;
    for (const Output& output : outputs) {
        results.append(output.array);
    }
    return results;
}

void BoundModel::check_has_run() const {
    if (!has_run_) {
        raise(Status(Problem{file_, {}, "has not run yet", "run it once first"}));
    }
}

nb::list BoundModel::gates() {
    check_has_run();
    // Copied first, since making Python's objects may run any Python code.
    struct Reading {
        std::int64_t active, total;
        std::vector<float> values;
    };
    const auto copy = [&] {
        const nb::gil_scoped_release released;
        const std::lock_guard lock(session_in_use_);
        std::vector<Reading> readings;
        for (const GateReading& gate : session_.gates()) {
            readings.push_back({gate.active, gate.total, {gate.values.begin(), gate.values.end()}});
        }
        return readings;
    };
    const std::vector<Reading> readings = copy();
    nb::list gates;
    for (std::size_t i = 0; i < readings.size(); ++i) {
        const GateInfo& info = model_.gates()[i];
        const Reading& reading = readings[i];
        const nb::object values =
            record_gates_
                ? maker_.copy_of(reading.values.data(), {info.groups, info.height, info.width})
                : nb::none();
        gates.append(nb::make_tuple(to_python(info.layer), reading.active, reading.total, values,
                                    info.grid, info.macs, info.skips));
    }
    return gates;
}

std::int64_t BoundModel::macs_executed() {
    check_has_run();
    const nb::gil_scoped_release released;
    const std::lock_guard lock(session_in_use_);
    return session_.macs_executed();
}

}  // namespace sluice::python
