#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "classify/classification.h"

namespace sluice::classify {

/// The table's lines. Its columns are as wide as the longest file and class name need, so that a
/// line can be printed as soon as its image is classified.
class Table {
public:
    /// `class_count` 0: no column of classes and probabilities. `single_score`: a column of scores.
    Table(std::span<const std::filesystem::path> files, const std::vector<std::string>& labels,
          std::int64_t class_count, bool single_score);

    std::string header() const;
    /// A line for each class of `best`, at least one; file and cost stand in the first alone. Each
    /// ends with a line feed.
    std::string rows(const Classification& result) const;

private:
    enum class Cell { file, name, score, probability, ms, skipped };
    struct Column {
        Cell cell;
        std::string title;
        std::size_t width;
        bool left = false;  ///< aligned, else right
    };
    static std::string text(Cell cell, const Classification& result, std::size_t place);
    std::string line(const std::vector<std::string>& cells) const;
    std::vector<Column> columns_;
};

/// "40.5%", and "-3.1%" where the LCCL branches cost more than they save.
std::string format_percent(double share);

/// Six significant digits.
std::string format_score(float score);

}  // namespace sluice::classify
