#include <iterator>

#include "c/error.h"
#include "c/handles.h"

using namespace sluice::c;

namespace {

/// Element `index` of a list that `list_of(model)` gives; NULL after a failure.
template <typename ListOf>
auto element(const sluice_model* model, std::size_t index, const char* function, ListOf list_of)
    -> decltype(to_c(list_of(*model)[0])) {
    if (!is_given(model, function, "model") || !is_index(index, list_of(*model).size(), function)) {
        return nullptr;
    }
    return to_c(list_of(*model)[index]);
}

const auto inputs_of = [](const sluice_model& m) -> const auto& { return m.model.inputs(); };
const auto outputs_of = [](const sluice_model& m) -> const auto& { return m.model.outputs(); };
const auto gates_of = [](const sluice_model& m) -> const auto& { return m.model.gates(); };

const std::vector<sluice::StepInfo>& steps_of(const sluice_model& model) {
    std::call_once(model.listed, [&] { model.steps = model.model.steps(); });
    return model.steps;
}

/// Writes where the caller wants it.
void write(const char** to, const std::string& text) {
    if (to != nullptr) {
        *to = text.c_str();
    }
}

}  // namespace

sluice_status sluice_model_load(const char* path, const sluice_model_options* options,
                                sluice_model** model) {
    if (!is_given(model, __func__, "model")) {
        return SLUICE_ERROR_ARGUMENT;
    }
    *model = nullptr;
    if (!is_given(path, __func__, "path")) {
        return SLUICE_ERROR_ARGUMENT;
    }
    return guarded([&] {
        auto loaded =
            sluice::Model::load(path, options ? options->options : sluice::ModelOptions{});
        if (!loaded.ok()) {
            return fail(SLUICE_ERROR_MODEL, loaded.status());
        }
        *model = new sluice_model(std::move(loaded).value(), path);
        return SLUICE_OK;
    });
}

void sluice_model_destroy(sluice_model* model) { delete model; }

size_t sluice_model_input_count(const sluice_model* model) {
    return is_given(model, __func__, "model") ? model->model.inputs().size() : 0;
}

size_t sluice_model_output_count(const sluice_model* model) {
    return is_given(model, __func__, "model") ? model->model.outputs().size() : 0;
}

const sluice_tensor_info* sluice_model_input(const sluice_model* model, size_t index) {
    return element(model, index, __func__, inputs_of);
}

const sluice_tensor_info* sluice_model_output(const sluice_model* model, size_t index) {
    return element(model, index, __func__, outputs_of);
}

size_t sluice_model_metadata_count(const sluice_model* model) {
    return is_given(model, __func__, "model") ? model->model.metadata().size() : 0;
}

sluice_status sluice_model_metadata_entry(const sluice_model* model, size_t index, const char** key,
                                          const char** value) {
    if (!is_given(model, __func__, "model") ||
        !is_index(index, model->model.metadata().size(), __func__)) {
        return SLUICE_ERROR_ARGUMENT;
    }
    const auto entry = std::next(model->model.metadata().begin(), std::ptrdiff_t(index));
    write(key, entry->first);
    write(value, entry->second);
    return SLUICE_OK;
}

const char* sluice_model_metadata(const sluice_model* model, const char* key) {
    if (!is_given(model, __func__, "model") || !is_given(key, __func__, "key")) {
        return nullptr;
    }
    const char* value = nullptr;
    guarded([&] {
        const auto found = model->model.metadata().find(key);
        if (found == model->model.metadata().end()) {
            return fail(SLUICE_ERROR_ARGUMENT,
                        sluice::Status::error("has no metadata '" + std::string(key) + "'",
                                              "ask for those that it has")
                            .in_file(model->path));
        }
        value = found->second.c_str();
        return SLUICE_OK;
    });
    return value;
}

const char* sluice_model_target(const sluice_model* model) {
    return is_given(model, __func__, "model") ? model->model.target().c_str() : nullptr;
}

int64_t sluice_model_macs(const sluice_model* model) {
    return is_given(model, __func__, "model") ? model->model.macs() : -1;
}

int64_t sluice_model_lccl_macs(const sluice_model* model) {
    return is_given(model, __func__, "model") ? model->model.lccl_macs() : -1;
}

const char* sluice_model_explain(const sluice_model* model) {
    if (!is_given(model, __func__, "model")) {
        return nullptr;
    }
    const char* text = nullptr;
    guarded([&] {
        std::call_once(model->explained, [&] { model->plan = model->model.explain(); });
        text = model->plan.c_str();
        return SLUICE_OK;
    });
    return text;
}

size_t sluice_model_gate_count(const sluice_model* model) {
    return is_given(model, __func__, "model") ? model->model.gates().size() : 0;
}

const sluice_gate_info* sluice_model_gate(const sluice_model* model, size_t index) {
    return element(model, index, __func__, gates_of);
}

size_t sluice_model_step_count(const sluice_model* model) {
    if (!is_given(model, __func__, "model")) {
        return 0;
    }
    std::size_t count = 0;
    guarded([&] {
        count = steps_of(*model).size();
        return SLUICE_OK;
    });
    return count;
}

sluice_status sluice_model_step(const sluice_model* model, size_t index, const char** node,
                                const char** kernel, const char** shape) {
    if (!is_given(model, __func__, "model")) {
        return SLUICE_ERROR_ARGUMENT;
    }
    const char* function = __func__;
    return guarded([&] {
        const std::vector<sluice::StepInfo>& steps = steps_of(*model);
        if (!is_index(index, steps.size(), function)) {
            return SLUICE_ERROR_ARGUMENT;
        }
        write(node, steps[index].node);
        write(kernel, steps[index].kernel);
        write(shape, steps[index].shape);
        return SLUICE_OK;
    });
}
