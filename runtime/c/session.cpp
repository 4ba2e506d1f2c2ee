#include <cstdint>
#include <optional>
#include <span>

#include "c/error.h"
#include "c/handles.h"

using namespace sluice::c;
using sluice::Problem;
using sluice::Status;
using sluice::TensorInfo;

namespace {

Status misfit(const std::string& tensor, std::string what, std::string remedy) {
    return Status(Problem{{}, tensor, std::move(what), std::move(remedy)});
}

/// More than any memory has.
constexpr std::size_t too_many_bytes = SIZE_MAX / 2;

/// The bytes that a tensor of the model takes in this shape, or `too_many_bytes`; nothing where the
/// shape does not fit the model's, which Session::run reports.
std::optional<std::size_t> bytes_of(const TensorInfo& info, std::span<const std::int64_t> shape) {
    std::size_t bytes = std::size_t(size_of(info.type));
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        const std::int64_t wanted = info.shape[axis].size;
        if (axis == 0 && wanted < 0 ? shape[0] < 1 : shape[axis] != wanted) {
            return std::nullopt;
        }
        if (__builtin_mul_overflow(bytes, std::size_t(shape[axis]), &bytes) ||
            bytes > too_many_bytes) {
            bytes = too_many_bytes;
        }
    }
    return bytes;
}

std::optional<sluice::DataType> type_of(sluice_type type) {
    switch (int(type)) {
        case SLUICE_FLOAT32:
            return sluice::DataType::float32;
        case SLUICE_UINT8:
            return sluice::DataType::uint8;
        case SLUICE_INT8:
            return sluice::DataType::int8;
        default:
            return std::nullopt;
    }
}

/// One tensor of the caller as the model's tensor `info`.
template <typename Tensor, typename View>
Status take(const Tensor& tensor, const TensorInfo& info, View& view) {
    const std::optional<sluice::DataType> type = type_of(tensor.type);
    if (!type) {
        return misfit(info.name, "has the type " + std::to_string(int(tensor.type)),
                      "pass SLUICE_FLOAT32, SLUICE_UINT8 or SLUICE_INT8");
    }
    if (tensor.rank != info.shape.size()) {
        return misfit(info.name,
                      "has " + std::to_string(tensor.rank) + " axes and needs " +
                          std::to_string(info.shape.size()),
                      "pass one batch of that shape");
    }
    if (tensor.rank > 0 && tensor.shape == nullptr) {
        return misfit(info.name, "has no shape", "pass its extents");
    }
    view.data = tensor.data;
    view.shape = {tensor.shape, tensor.rank};
    view.type = *type;
    const auto bytes = bytes_of(info, view.shape);
    if (*type == info.type && bytes && (*bytes != tensor.bytes || *bytes == too_many_bytes)) {
        return misfit(info.name,
                      "has " + std::to_string(tensor.bytes) + " bytes and its shape takes " +
                          std::to_string(*bytes),
                      "pass memory of that size");
    }
    return {};
}

/// The place of the model's tensor that is called `name`; their number where none is.
std::size_t place_of(const char* name, const std::vector<TensorInfo>& infos) {
    std::size_t place = 0;
    while (place < infos.size() && infos[place].name != name) {
        ++place;
    }
    return place;
}

/// Which of the model's tensors the caller's number `index` is: by its name, or else by its place.
template <typename Tensor>
Status find_place(std::span<const Tensor> tensors, std::size_t index,
                  const std::vector<TensorInfo>& infos, const char* kind, std::size_t& place) {
    const char* name = tensors[index].name;
    if ((name == nullptr) != (tensors[0].name == nullptr)) {
        return misfit({}, std::string("got ") + kind + "s with and without a name",
                      "name all of them, or none");
    }
    place = name ? place_of(name, infos) : index;
    if (place == infos.size()) {
        return misfit({}, std::string("has no ") + kind + " '" + name + "'",
                      "pass a name that the model has");
    }
    for (std::size_t before = 0; name && before < index; ++before) {
        if (infos[place].name == tensors[before].name) {
            return misfit(infos[place].name, "is passed twice", "pass it once");
        }
    }
    return {};
}

/// All of the caller's inputs, or all of its outputs (`kind`), in the model's order.
template <typename Tensor, typename View>
Status take_all(std::span<const Tensor> tensors, const std::vector<TensorInfo>& infos,
                const char* kind, std::vector<View>& views) {
    if (tensors.size() != infos.size()) {
        return misfit({},
                      "got " + std::to_string(tensors.size()) + " " + kind + "s and has " +
                          std::to_string(infos.size()),
                      "pass a tensor for each");
    }
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        std::size_t place = 0;
        SLUICE_RETURN_IF_ERROR(find_place(tensors, i, infos, kind, place));
        SLUICE_RETURN_IF_ERROR(take(tensors[i], infos[place], views[place]));
    }
    return {};
}

Status run(sluice_session& session, std::span<const sluice_input> inputs,
           std::span<const sluice_output> outputs) {
    SLUICE_RETURN_IF_ERROR(take_all(inputs, session.model.inputs(), "input", session.inputs));
    SLUICE_RETURN_IF_ERROR(take_all(outputs, session.model.outputs(), "output", session.outputs));
    return session.session.run(session.inputs, session.outputs);
}

}  // namespace

sluice_status sluice_session_create(const sluice_model* model,
                                    const sluice_session_options* options,
                                    sluice_session** session) {
    if (!is_given(session, __func__, "session")) {
        return SLUICE_ERROR_ARGUMENT;
    }
    *session = nullptr;
    if (!is_given(model, __func__, "model")) {
        return SLUICE_ERROR_ARGUMENT;
    }
    return guarded([&] {
        auto made = sluice::Session::create(model->model,
                                            options ? options->options : sluice::SessionOptions{});
        if (!made.ok()) {
            return fail(SLUICE_ERROR_SESSION, made.status());
        }
        *session = new sluice_session{
            model->model, model->path, std::move(made).value(),
            std::vector<sluice::TensorView>(model->model.inputs().size()),
            std::vector<sluice::MutableTensorView>(model->model.outputs().size())};
        return SLUICE_OK;
    });
}

void sluice_session_destroy(sluice_session* session) { delete session; }

sluice_status sluice_session_run(sluice_session* session, const sluice_input* inputs,
                                 size_t input_count, const sluice_output* outputs,
                                 size_t output_count) {
    if (!is_given(session, __func__, "session") ||
        (input_count > 0 && !is_given(inputs, __func__, "inputs")) ||
        (output_count > 0 && !is_given(outputs, __func__, "outputs"))) {
        return SLUICE_ERROR_ARGUMENT;
    }
    return guarded([&] {
        Status status = run(*session, {inputs, input_count}, {outputs, output_count});
        return status.ok() ? SLUICE_OK
                           : fail(SLUICE_ERROR_TENSOR, std::move(status).in_file(session->path));
    });
}

int64_t sluice_session_macs_executed(const sluice_session* session) {
    return is_given(session, __func__, "session") ? session->session.macs_executed() : -1;
}

sluice_status sluice_session_gate(const sluice_session* session, size_t index, int64_t* active,
                                  int64_t* total, const float** values) {
    if (!is_given(session, __func__, "session") ||
        !is_index(index, session->session.gates().size(), __func__)) {
        return SLUICE_ERROR_ARGUMENT;
    }
    const sluice::GateReading& reading = session->session.gates()[index];
    if (active != nullptr) {
        *active = reading.active;
    }
    if (total != nullptr) {
        *total = reading.total;
    }
    if (values != nullptr) {
        *values = reading.values.empty() ? nullptr : reading.values.data();
    }
    return SLUICE_OK;
}

sluice_status sluice_session_step(const sluice_session* session, size_t index, double* seconds,
                                  int64_t* macs) {
    if (!is_given(session, __func__, "session")) {
        return SLUICE_ERROR_ARGUMENT;
    }
    const auto steps = session->session.steps();
    if (steps.empty()) {
        return wrong_argument(__func__, "the session records no steps",
                              "create it with sluice_session_options_set_record_steps");
    }
    if (!is_index(index, steps.size(), __func__)) {
        return SLUICE_ERROR_ARGUMENT;
    }
    if (seconds != nullptr) {
        *seconds = steps[index].seconds;
    }
    if (macs != nullptr) {
        *macs = steps[index].macs;
    }
    return SLUICE_OK;
}
