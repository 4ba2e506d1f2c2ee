#include "classify/summary.h"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "classify/table.h"
#include "common/text.h"

namespace sluice::classify {
namespace {

constexpr std::size_t most_names = 5;

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2.0;
}

std::string count(std::size_t number, const std::string& noun) {
    return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string describe_skipped(std::span<const std::filesystem::path> files) {
    std::string text = "skipped " + count(files.size(), "other file") + ": ";
    const std::size_t named = std::min(files.size(), most_names);
    for (std::size_t i = 0; i < named; ++i) {
        text += (i == 0 ? "" : ", ") + apps::to_printable(files[i].string());
    }
    return text + (named < files.size() ? ", ...\n" : "\n");
}

}  // namespace

void Summary::add(const Classification& result) {
    latencies_ms_.push_back(result.latency_ms);
    skipped_sum_ += result.skipped_share();
}

void Summary::add_place(std::size_t place) {
    top1_ += place < 1 ? 1 : 0;
    top5_ += place < 5 ? 1 : 0;
}

double Summary::share(std::size_t count) const {
    return static_cast<double>(count) / static_cast<double>(latencies_ms_.size());
}

double Summary::skipped_share() const {
    return skipped_sum_ / static_cast<double>(latencies_ms_.size());
}

std::string Summary::text() const {
    std::string text;
    char figures[160];
    if (!empty()) {
        std::snprintf(figures, sizeof figures, ", median %.3f ms, ", median(latencies_ms_));
        text += count(latencies_ms_.size(), "image") + figures + format_percent(skipped_share()) +
                " of MACs skipped on average, target " + target_ + ", " +
                count(static_cast<std::size_t>(threads_), "thread") + "\n";
    }
    if (!skipped_.empty()) {
        text += describe_skipped(skipped_);
    }
    if (seconds_ > 0.0 && !empty()) {
        std::snprintf(figures, sizeof figures,
                      "top-1 %.2f%%, top-5 %.2f%%, %.2f%% of MACs skipped, %.1f images per second",
                      100.0 * share(top1_), 100.0 * share(top5_), 100.0 * skipped_share(),
                      static_cast<double>(latencies_ms_.size()) / seconds_);
        text += figures;
        text += failed_ == 0 ? "\n" : ", without " + count(failed_, "failed image") + "\n";
    }
    return text;
}

std::string Summary::json() const {
    nlohmann::ordered_json object;
    object["images"] = latencies_ms_.size();
    object["failed"] = failed_;
    const auto set = [&](const char* key, double value) {
        object[key] = empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(value);
    };
    set("median_latency_ms", empty() ? 0.0 : median(latencies_ms_));
    set("macs_skipped", skipped_share());
    object["target"] = target_;
    object["threads"] = threads_;
    auto& skipped = object["skipped_files"];
    skipped = {{"count", skipped_.size()}, {"first", nlohmann::ordered_json::array()}};
    for (std::size_t i = 0; i < std::min(skipped_.size(), most_names); ++i) {
        skipped["first"].push_back(skipped_[i].string());
    }
    if (seconds_ > 0.0) {
        set("top1", share(top1_));
        set("top5", share(top5_));
        set("images_per_second", static_cast<double>(latencies_ms_.size()) / seconds_);
    }
    const nlohmann::ordered_json line = {{"summary", object}};
    return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace sluice::classify
