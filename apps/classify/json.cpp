#include "classify/json.h"

#include <charconv>

#include <nlohmann/json.hpp>

namespace sluice::classify {
namespace {

// The double with the same shortest decimals, so that 0.1f is printed as 0.1. One that is not
// finite stays so, and is printed as null.
double to_shortest_double(float value) {
    char text[32];
    const auto written = std::to_chars(text, text + sizeof text, value);
    double result = 0.0;
    std::from_chars(text, written.ptr, result);
    return result;
}

}  // namespace

std::string to_json(const Classification& result) {
    nlohmann::ordered_json object;
    object["file"] = result.file;
    for (const char* key : {"class", "index", "probability"}) {
        object[key] = nullptr;
    }
    if (!result.best.empty()) {
        object["class"] = result.names[0];
        object["index"] = result.best[0].index;
        object["probability"] = result.best[0].probability;
    }
    object["scores"] = nlohmann::ordered_json::array();
    for (const float score : result.scores) {
        object["scores"].push_back(to_shortest_double(score));
    }
    object["latency_ms"] = result.latency_ms;
    object["macs"] = result.macs;
    object["macs_executed"] = result.macs_executed;
    for (std::size_t i = 0; result.best.size() > 1 && i < result.best.size(); ++i) {
        object["top"].push_back({{"class", result.names[i]},
                                 {"index", result.best[i].index},
                                 {"probability", result.best[i].probability}});
    }
    return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace sluice::classify
