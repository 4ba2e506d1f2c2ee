#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "sluice/model.h"
#include "sluice/session.h"
#include "sluice/sluice.h"

// What the handles of the C API point to.

struct sluice_model_options {
    sluice::ModelOptions options;
};

struct sluice_session_options {
    sluice::SessionOptions options;
};

struct sluice_model {
    sluice::Model model;
    std::string path;

    sluice_model(sluice::Model model_, std::string path_)
        : model(std::move(model_)), path(std::move(path_)) {}

    // Made when first asked for, by whichever thread that is.
    mutable std::once_flag explained, listed;
    mutable std::string plan;
    mutable std::vector<sluice::StepInfo> steps;
};

struct sluice_session {
    sluice::Model model;
    std::string path;
    sluice::Session session;
    std::vector<sluice::TensorView> inputs;  ///< of the run under way, in the model's order
    std::vector<sluice::MutableTensorView> outputs;
};

namespace sluice::c {

// An info is an element of the model's own list: the C type has no members.
inline const sluice_tensor_info* to_c(const TensorInfo& info) {
    return reinterpret_cast<const sluice_tensor_info*>(&info);
}
inline const TensorInfo& from_c(const sluice_tensor_info* info) {
    return *reinterpret_cast<const TensorInfo*>(info);
}
inline const sluice_gate_info* to_c(const GateInfo& gate) {
    return reinterpret_cast<const sluice_gate_info*>(&gate);
}
inline const GateInfo& from_c(const sluice_gate_info* gate) {
    return *reinterpret_cast<const GateInfo*>(gate);
}

inline sluice_type to_c(DataType type) {
    switch (type) {
        case DataType::uint8:
            return SLUICE_UINT8;
        case DataType::int8:
            return SLUICE_INT8;
        default:
            return SLUICE_FLOAT32;
    }
}

}  // namespace sluice::c
