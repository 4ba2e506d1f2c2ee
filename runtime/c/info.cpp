#include "c/error.h"
#include "c/handles.h"

using namespace sluice::c;

namespace {

/// Whether there is such an axis; a failure of `function` otherwise.
bool is_axis(const sluice_tensor_info* info, std::size_t axis, const char* function) {
    return is_given(info, function, "info") && is_index(axis, from_c(info).shape.size(), function);
}

}  // namespace

const char* sluice_tensor_info_name(const sluice_tensor_info* info) {
    return is_given(info, __func__, "info") ? from_c(info).name.c_str() : nullptr;
}

sluice_type sluice_tensor_info_type(const sluice_tensor_info* info) {
    return is_given(info, __func__, "info") ? to_c(from_c(info).type) : sluice_type(0);
}

size_t sluice_tensor_info_rank(const sluice_tensor_info* info) {
    return is_given(info, __func__, "info") ? from_c(info).shape.size() : 0;
}

int64_t sluice_tensor_info_extent(const sluice_tensor_info* info, size_t axis) {
    return is_axis(info, axis, __func__) ? from_c(info).shape[axis].size : 0;
}

const char* sluice_tensor_info_axis_name(const sluice_tensor_info* info, size_t axis) {
    return is_axis(info, axis, __func__) ? from_c(info).shape[axis].name.c_str() : nullptr;
}

const char* sluice_gate_info_layer(const sluice_gate_info* gate) {
    return is_given(gate, __func__, "gate") ? from_c(gate).layer.c_str() : nullptr;
}

int64_t sluice_gate_info_groups(const sluice_gate_info* gate) {
    return is_given(gate, __func__, "gate") ? from_c(gate).groups : 0;
}

int64_t sluice_gate_info_height(const sluice_gate_info* gate) {
    return is_given(gate, __func__, "gate") ? from_c(gate).height : 0;
}

int64_t sluice_gate_info_width(const sluice_gate_info* gate) {
    return is_given(gate, __func__, "gate") ? from_c(gate).width : 0;
}

int64_t sluice_gate_info_grid(const sluice_gate_info* gate) {
    return is_given(gate, __func__, "gate") ? from_c(gate).grid : 0;
}

int64_t sluice_gate_info_macs(const sluice_gate_info* gate) {
    return is_given(gate, __func__, "gate") ? from_c(gate).macs : -1;
}

int sluice_gate_info_skips(const sluice_gate_info* gate) {
    return is_given(gate, __func__, "gate") && from_c(gate).skips ? 1 : 0;
}
