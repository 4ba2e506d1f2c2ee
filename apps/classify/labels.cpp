#include "classify/labels.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "image/files.h"

namespace sluice::classify {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

}  // namespace

Result<std::vector<std::string>> read_label_file(const std::filesystem::path& path) {
    const Result<std::vector<std::uint8_t>> bytes = image::read_file(path);
    if (!bytes.ok()) {
        Problem problem = bytes.status().problem();
        problem.remedy = "name a text file with one class per line";
        return Status(problem);
    }
    const std::string text(bytes.value().begin(), bytes.value().end());
    std::string_view rest = text;
    if (rest.starts_with(byte_order_mark)) {
        rest.remove_prefix(byte_order_mark.size());
    }
    std::vector<std::string> labels;
    while (!rest.empty()) {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        labels.emplace_back(line);
    }
    while (!labels.empty() && labels.back().empty()) {
        labels.pop_back();
    }
    if (labels.empty()) {
        return Status(Problem{
            path.string(), {}, "holds no class names", "name a text file with one class per line"});
    }
    return labels;
}

Status check_label_count(const std::vector<std::string>& labels, std::int64_t scores,
                         const std::filesystem::path& file) {
    const auto count = static_cast<std::int64_t>(labels.size());
    if (count == 0 || count == scores || (scores == 1 && count == 2)) {
        return {};
    }
    return Status(Problem{file.string(),
                          {},
                          "has " + std::to_string(labels.size()) +
                              " class names, and the network has " + std::to_string(scores) +
                              (scores == 1 ? " score" : " scores"),
                          scores == 1 ? "give --labels a file with one or two names"
                                      : "give --labels a file with one name per score"});
}

std::string name_class(const std::vector<std::string>& labels, std::int64_t index) {
    return labels.empty() ? "class " + std::to_string(index)
                          : labels[static_cast<std::size_t>(index)];
}

}  // namespace sluice::classify
