#include "benchmark/json.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include <nlohmann/json.hpp>

namespace sluice::benchmark {
namespace {

using Json = nlohmann::ordered_json;

// Timings carry no more digits than these, and a diff of two files is easier to read.
double rounded(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.5g", value);
    return std::strtod(text, nullptr);
}

Json or_null(const std::optional<apps::Times>& times, double apps::Times::*which) {
    return times ? Json(rounded((*times).*which)) : Json(nullptr);
}

/// Of a peak; null where either is not known.
Json share(const std::optional<apps::Times>& times, double rate, double peak) {
    return times && peak > 0 ? Json(rounded(rate / peak)) : Json(nullptr);
}

Json to_object(const Machine& machine) {
    return {{"cpu", machine.cpu},
            {"cores", machine.cores},
            {"target", machine.target},
            {"fma_peak_gflops", rounded(machine.fma_peak_gflops)},
            {"int8_peak_gops",
             machine.int8_peak_gops > 0 ? Json(rounded(machine.int8_peak_gops)) : Json(nullptr)},
            {"cache_read_gbps", rounded(machine.cache_gbps)},
            {"memory_read_gbps", rounded(machine.memory_gbps)}};
}

// The common fields of a benchmark first, then what is ours.
Json to_object(const NetworkResult& row, const Machine& machine) {
    Json object = {{"network", row.network},
                   {"variant", row.variant},
                   {"engine", row.engine},
                   {"target", row.target.empty() ? Json(nullptr) : Json(row.target)},
                   {"precision", row.is_int8 ? "int8" : "fp32"},
                   {"threads", row.threads},
                   {"batch", row.batch},
                   {"median_ms", or_null(row.times, &apps::Times::median_ms)},
                   {"p10_ms", or_null(row.times, &apps::Times::p10_ms)},
                   {"p90_ms", or_null(row.times, &apps::Times::p90_ms)},
                   {"macs", row.macs},
                   {"macs_executed", std::llround(row.macs_executed)},
                   {"peak_rss_mb", row.times ? Json(rounded(row.peak_rss_mb)) : Json(nullptr)},
                   {"load_ms", row.times ? Json(rounded(row.load_ms)) : Json(nullptr)},
                   {"agrees", row.agrees ? Json(*row.agrees) : Json(nullptr)},
                   {"file", row.file},
                   {"weights", row.weights},
                   {"inputs", row.inputs},
                   {"version", row.version},
                   {"idle_rss_mb", row.times ? Json(rounded(row.idle_rss_mb)) : Json(nullptr)}};
    const double peak = machine.peak(row.is_int8) * row.threads;
    object["runs"] = row.times ? row.times->runs : 0;
    object["gflops"] = row.times ? Json(rounded(row.gflops())) : Json(nullptr);
    object["share_of_peak"] = share(row.times, row.gflops(), peak);
    object["problem"] = row.problem.empty() ? Json(nullptr) : Json(row.problem);
    return object;
}

Json to_object(const KernelResult& row, const Machine& machine) {
    return {{"kernel", row.kernel},
            {"family", row.family},
            {"shape_class", row.shape_class},
            {"target", row.target},
            {"height", row.height},
            {"width", row.width},
            {"channels", row.channels},
            {"density", row.density},
            {"active", row.active},
            {"tiles", row.tiles},
            {"median_ms", or_null(row.times, &apps::Times::median_ms)},
            {"p10_ms", or_null(row.times, &apps::Times::p10_ms)},
            {"p90_ms", or_null(row.times, &apps::Times::p90_ms)},
            {"gflops", row.times ? Json(rounded(row.gflops())) : Json(nullptr)},
            {"share_of_peak", share(row.times, row.gflops(), machine.peak(row.is_int8()))},
            {"departure", row.departure ? Json(rounded(*row.departure)) : Json(nullptr)},
            {"speed_up", row.speed_up ? Json(rounded(*row.speed_up)) : Json(nullptr)},
            {"break_even", row.break_even ? Json(rounded(*row.break_even)) : Json(nullptr)},
            {"problem", row.problem.empty() ? Json(nullptr) : Json(row.problem)}};
}

Json to_object(const LayerResult& row) {
    return {
        {"network", row.network},
        {"layer", row.layer},
        {"shape", row.shape},
        {"density", rounded(row.density)},
        {"gated_ms", rounded(row.gated_ms)},
        {"branch_ms", rounded(row.branch_ms)},
        {"dense_kernel", row.dense_kernel},
        {"dense_ms", rounded(row.dense_ms)},
        {"theoretical", row.executed_share > 0 ? Json(rounded(row.theoretical())) : Json(nullptr)},
        {"realised", rounded(row.realised())}};
}

Json to_object(const StepResult& row) {
    return {{"network", row.network}, {"node", row.node},      {"kernel", row.kernel},
            {"shape", row.shape},     {"ms", rounded(row.ms)}, {"macs", std::llround(row.macs)}};
}

}  // namespace

std::string to_json(const Report& report) {
    Json object;
    object["machine"] = to_object(report.machine);
    object["results"] = Json::array();
    for (const NetworkResult& row : report.networks) {
        object["results"].push_back(to_object(row, report.machine));
    }
    for (const KernelResult& row : report.kernels) {
        object["kernels"].push_back(to_object(row, report.machine));
    }
    for (const LayerResult& row : report.layers) {
        object["layers"].push_back(to_object(row));
    }
    for (const StepResult& row : report.steps) {
        object["steps"].push_back(to_object(row));
    }
    return object.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sluice::benchmark
