#include "onnx/operator_names.h"

namespace sluice {

namespace {

constexpr int read_operators =
    int(Op::activation);  // activation and later are written by passes only

}  // namespace

std::optional<Op> find_operator(const std::string& onnx_name) {
    if (onnx_name == "Dropout") {
        return Op::identity;
    }
    if (onnx_name == "Upsample") {
        return Op::resize;
    }
    for (int op = 0; op < read_operators; ++op) {
        if (onnx_name == to_string(Op(op))) {
            return Op(op);
        }
    }
    return std::nullopt;
}

std::string supported_operators() {
    std::string names = "Dropout, Upsample";
    for (int op = 0; op < read_operators; ++op) {
        names += std::string(", ") + to_string(Op(op));
    }
    return names;
}

}  // namespace sluice
