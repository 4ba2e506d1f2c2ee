#include "classify/json.h"

#include <charconv>
#include <cstddef>

#include <nlohmann/json.hpp>

#include "classify/base64.h"

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

nlohmann::ordered_json to_object(const Classification& result) {
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
    return object;
}

std::vector<std::int64_t> count_active_maps(const GateMap& map) {
    const auto positions = static_cast<std::size_t>(map.height * map.width);
    std::vector<std::int64_t> counts(positions);
    for (std::size_t i = 0; i < map.values.size(); ++i) {
        counts[i % positions] += map.values[i] != 0 ? 1 : 0;
    }
    return counts;
}

nlohmann::ordered_json to_object(const GateMap& map) {
    return {{"layer", map.layer},
            {"density", map.density},
            {"maps", map.groups},
            {"height", map.height},
            {"width", map.width},
            {"grid", map.grid},
            {"output_height", map.output_height},
            {"output_width", map.output_width},
            {"skips", map.skips},
            {"active", count_active_maps(map)}};
}

std::string to_line(const nlohmann::ordered_json& object) {
    return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

std::string to_json(const Classification& result) { return to_line(to_object(result)); }

std::string to_json(const Classification& result, std::span<const std::uint8_t> png,
                    std::span<const GateMap> maps) {
    nlohmann::ordered_json object = to_object(result);
    object["image"] = to_base64(png);
    object["gates"] = nlohmann::ordered_json::array();
    for (const GateMap& map : maps) {
        object["gates"].push_back(to_object(map));
    }
    return to_line(object);
}

}  // namespace sluice::classify
