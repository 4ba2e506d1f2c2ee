#include "autotune/evidence.h"

#include <charconv>
#include <cmath>

#include "autotune/files.h"

namespace sluice::autotune {
namespace {

using nlohmann::json;

/// Digits beyond the noise would only make diffs.
double rounded(double value) {
    if (value == 0) {
        return 0;
    }
    const double unit = std::pow(10, 3 - std::floor(std::log10(std::abs(value))));
    return std::round(value * unit) / unit;
}

/// The inverse of to_text.
Numbers from_text(const std::string& text) {
    Numbers numbers;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t equals = text.find('=', at),
                          end = std::min(text.find(' ', at), text.size());
        if (equals >= end) {
            break;
        }
        int value = 0;
        std::from_chars(text.data() + equals + 1, text.data() + end, value);
        numbers[text.substr(at, equals - at)] = value;
        at = end + 1;
    }
    return numbers;
}

json to_json(const BreakEvenEvidence& e) {
    return {
        {"against", e.against}, {"numbers", to_text(e.numbers)},   {"before", e.before},
        {"after", e.after},     {"measured", rounded(e.measured)}, {"spread", rounded(e.spread)}};
}

BreakEvenEvidence read_break_even(const json& row) {
    return {row.at("against").get<std::string>(), from_text(row.at("numbers").get<std::string>()),
            row.at("before").get<double>(),       row.at("after").get<double>(),
            row.at("measured").get<double>(),     row.at("spread").get<double>()};
}

json to_json(const KernelEvidence& e) {
    json layers = json::array(), tried = json::object();
    for (const LayerEvidence& layer : e.layers) {
        layers.push_back({{"shape", layer.shape},
                          {"density", rounded(layer.density)},
                          {"macs", layer.macs},
                          {"before_ms", rounded(layer.before_ms)},
                          {"after_ms", rounded(layer.after_ms)}});
    }
    for (const auto& [numbers, outcome] : e.tried) {
        tried[to_text(numbers)] =
            outcome.problem.empty() ? json(rounded(outcome.ratio)) : json(outcome.problem);
    }
    json row = {{"cpu", e.basis.cpu},
                {"code", e.basis.code},
                {"densities", e.basis.densities},
                {"measured_on", e.basis.layers},
                {"date", e.date},
                {"finished", e.is_finished},
                {"confirmed", e.is_confirmed},
                {"before", to_text(e.before)},
                {"best", to_text(e.best)},
                {"layers", layers},
                {"tried", tried}};
    if (e.break_even) {
        row["break_even"] = to_json(*e.break_even);
    }
    return row;
}

KernelEvidence from_json(const json& row) {
    KernelEvidence e;
    e.basis = {row.at("cpu").get<std::string>(), row.at("code").get<std::string>(),
               row.at("densities").get<std::string>(),
               row.at("measured_on").get<std::vector<std::string>>()};
    e.date = row.at("date").get<std::string>();
    e.is_finished = row.at("finished").get<bool>();
    e.is_confirmed = row.at("confirmed").get<bool>();
    e.before = from_text(row.at("before").get<std::string>());
    e.best = from_text(row.at("best").get<std::string>());
    for (const json& layer : row.at("layers")) {
        e.layers.push_back({layer.at("shape").get<std::string>(), layer.at("density").get<double>(),
                            layer.at("macs").get<std::int64_t>(),
                            layer.at("before_ms").get<double>(),
                            layer.at("after_ms").get<double>()});
    }
    for (const auto& [text, outcome] : row.at("tried").items()) {
        e.tried[from_text(text)] = outcome.is_string() ? Outcome{0, outcome.get<std::string>()}
                                                       : Outcome{outcome.get<double>(), {}};
    }
    if (row.contains("break_even")) {
        e.break_even = read_break_even(row.at("break_even"));
    }
    return e;
}

Result<json> read_rows(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored) ? read_json(path) : Result(json::object());
}

}  // namespace

std::filesystem::path evidence_path(const std::filesystem::path& numbers) {
    return numbers.parent_path() / "evidence" / numbers.filename();
}

Result<Evidence> read_evidence(const std::filesystem::path& path) {
    const Result<json> rows = read_rows(path);
    if (!rows.ok()) {
        return rows.status();
    }
    Evidence evidence;
    try {
        for (const auto& [kernel, row] : rows.value().items()) {
            evidence[kernel] = from_json(row);
        }
    } catch (const json::exception& fault) {
        return Status(Problem{path.string(),
                              {},
                              std::string("is no evidence of autotune: ") + fault.what(),
                              "delete it, and autotune measures anew"});
    }
    return evidence;
}

Status merge_evidence(const std::filesystem::path& path, const std::string& kernel,
                      const KernelEvidence& evidence) {
    Result<json> rows = read_rows(path);
    if (!rows.ok()) {
        return rows.status();
    }
    rows.value()[kernel] = to_json(evidence);
    return write_text(path, rows.value().dump(4) + "\n");
}

}  // namespace sluice::autotune
