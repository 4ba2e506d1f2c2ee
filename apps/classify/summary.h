#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "classify/classification.h"

namespace sluice::classify {

/// What the images of a run have in common.
class Summary {
public:
    /// `skipped`: files that are no images; they must outlive the summary.
    Summary(std::string target, int threads, std::span<const std::filesystem::path> skipped)
        : target_(std::move(target)), threads_(threads), skipped_(skipped) {}

    void add(const Classification& result);
    void add_failure() { ++failed_; }
    /// Beside add(), with --evaluate: how many classes came before the true one.
    void add_place(std::size_t place);
    /// Wall time of all images, with --evaluate.
    void set_seconds(double seconds) { seconds_ = seconds; }

    bool empty() const { return latencies_ms_.empty(); }

    /// Up to three lines, each with its line feed. "20 images, median 0.31 ms, 40.5% of MACs
    /// skipped on average, target avx512, 1 thread", unless there was no image. Then the files that
    /// were skipped, if any. With --evaluate at last the accuracies and the speed.
    std::string text() const;

    /// {"summary": {...}} on one line: images, failed, median_latency_ms, macs_skipped (a mean
    /// share), target, threads and skipped_files (count, and the first names). With --evaluate
    /// top1, top5 and images_per_second follow. null where there was no image.
    std::string json() const;

private:
    double share(std::size_t count) const;
    double skipped_share() const;

    std::string target_;
    int threads_;
    std::span<const std::filesystem::path> skipped_;
    std::vector<double> latencies_ms_;
    double skipped_sum_ = 0.0;
    std::size_t failed_ = 0;
    double seconds_ = 0.0;  ///< 0: no evaluation
    std::size_t top1_ = 0;
    std::size_t top5_ = 0;
};

}  // namespace sluice::classify
