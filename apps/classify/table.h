#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "classify/classification.h"

namespace sluice::classify {

/// The table's lines. Its columns are as wide as the longest file and class name need, so that a
/// line can be printed as soon as its picture is classified.
class Table {
public:
    Table(std::span<const std::filesystem::path> files, const std::vector<std::string>& labels,
          std::int64_t class_count);

    std::string header() const;
    /// A line a class of `best`; file and cost stand in the first alone.
    std::vector<std::string> rows(const Classification& result) const;

private:
    std::string line(const std::vector<std::string>& cells) const;
    std::size_t file_width_;
    std::size_t class_width_;
};

/// "40.5%", and "-3.1%" where the branches cost more than they save.
std::string format_percent(double share);

}  // namespace sluice::classify
