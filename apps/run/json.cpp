#include "run/json.h"

#include <nlohmann/json.hpp>

namespace sluice::run {
namespace {

using nlohmann::ordered_json;

ordered_json to_object(const Comparison& comparison) {
    ordered_json object = {{"passes", comparison.passes}};
    if (comparison.needed) {
        object["needed_shape"] = *comparison.needed;
    } else {
        object["largest_difference"] = comparison.difference.largest;
        object["relative_difference"] = comparison.difference.relative;
    }
    return object;
}

ordered_json to_object(const OutputReport& output) {
    ordered_json object = {{"name", output.name},
                           {"shape", output.shape},
                           {"min", output.range.least},
                           {"max", output.range.most},
                           {"mean", output.range.mean},
                           {"nan", output.range.nans},
                           {"infinite", output.range.infinities}};
    if (output.file) {
        object["file"] = output.file->string();
    }
    if (output.comparison) {
        object["expectation"] = to_object(*output.comparison);
    }
    return object;
}

}  // namespace

std::string to_json(const Report& report) {
    ordered_json object = {
        {"model", report.model}, {"target", report.target}, {"threads", report.threads}};
    object["inputs"] = ordered_json::array();
    for (const InputReport& input : report.inputs) {
        object["inputs"].push_back(
            {{"name", input.name}, {"shape", input.shape}, {"source", input.source}});
    }
    object["outputs"] = ordered_json::array();
    for (const OutputReport& output : report.outputs) {
        object["outputs"].push_back(to_object(output));
    }
    if (report.times) {
        object["times"] = {{"runs", report.times->runs},
                           {"median_ms", report.times->median_ms},
                           {"p10_ms", report.times->p10_ms},
                           {"p90_ms", report.times->p90_ms}};
    }
    return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace sluice::run
