#include "onnx/unknown_operator.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "onnx.pb.h"
#include "onnx/operator_names.h"

namespace sluice {

namespace {

/// What an operator does that detectors end with and no kernel computes: its output's shape depends
/// on what the image holds. Null of another operator.
const char* place_to_cut(const std::string& op) {
    static constexpr std::pair<const char*, const char*> ends[] = {
        {"NonMaxSuppression", "picks boxes by their scores"},
        {"NonZero", "lists what is not zero"},
        {"TopK", "sorts scores"},
        {"Unique", "lists what differs"},
        {"Compress", "picks by a condition"}};
    const auto found =
        std::ranges::find_if(ends, [&op](const auto& end) { return op == end.first; });
    return found == std::end(ends) ? nullptr : found->second;
}

}  // namespace

Status unknown_operator(const onnx::ModelProto& model, const onnx::NodeProto& proto) {
    for (const auto& function : model.functions()) {
        if (function.name() == proto.op_type() && function.domain() == proto.domain()) {
            return Status::error("calls a model-local function, which Sluice does not read",
                                 "inline it with onnx.inliner.inline_local_functions");
        }
    }
    if (proto.op_type() == "DynamicQuantizeLinear") {
        return Status::error("quantises by what each image holds, which Sluice does not read",
                             "quantise with fixed scales: quantize_static of ONNX Runtime");
    }
    if (const char* const cut = place_to_cut(proto.op_type())) {
        return Status::error(
            std::string(cut) + ", which Sluice leaves to the caller",
            "cut the graph before it: onnx.utils.extract_model(file, new_file, inputs, outputs), "
            "with outputs=['" +
                (proto.input_size() > 0 ? proto.input(0) : std::string()) + "']");
    }
    const std::string domain = proto.domain().empty() ? "" : " of domain '" + proto.domain() + "'";
    if (proto.op_type().starts_with("QLinear") && proto.domain() == "com.microsoft") {
        return Status::error("is an unsupported operator" + domain,
                             "quantise with QuantFormat.QDQ");
    }
    return Status::error("is an unsupported operator" + domain,
                         "use only " + supported_operators());
}

}  // namespace sluice
