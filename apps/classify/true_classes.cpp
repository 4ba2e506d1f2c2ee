#include "classify/true_classes.h"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>

namespace sluice::classify {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t examples = 5;

std::string list_some(const std::vector<std::string>& labels) {
    std::string list;
    for (std::size_t i = 0; i < std::min(examples, labels.size()); ++i) {
        list += (i == 0 ? "" : ", ") + labels[i];
    }
    return labels.size() <= examples ? list
                                     : list + " ... (" + std::to_string(labels.size()) + " in all)";
}

// Of the scores alike, the first comes before the others, as in rank().
bool comes_before(std::span<const float> scores, std::size_t a, std::size_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
}

}  // namespace

std::string folder_name(const fs::path& image) {
    std::error_code code;
    const fs::path absolute = fs::absolute(image, code);
    return (code ? image : absolute).lexically_normal().parent_path().filename().string();
}

std::vector<std::string> folder_names(std::span<const fs::path> images) {
    std::set<std::string> names;
    for (const fs::path& image : images) {
        names.insert(folder_name(image));
    }
    return {names.begin(), names.end()};
}

Result<TrueClasses> TrueClasses::create(std::span<const fs::path> images,
                                        const std::vector<std::string>& labels) {
    TrueClasses classes;
    std::map<std::string, std::size_t> first;
    for (std::size_t i = 0; i < labels.size(); ++i) {
        classes.first_.push_back(first.try_emplace(labels[i], i).first->second);
    }
    classes.truth_.reserve(images.size());
    for (const fs::path& image : images) {
        const std::string name = folder_name(image);
        const auto found = first.find(name);
        if (found == first.end()) {
            return Status(Problem{
                image.string(),
                {},
                "lies in a folder '" + name + "', which is no class of the network",
                "with --evaluate, folders are named like the classes: " + list_some(labels)});
        }
        classes.truth_.push_back(found->second);
    }
    return classes;
}

std::size_t TrueClasses::place(std::size_t image, std::span<const float> class_scores) const {
    std::size_t best = truth_[image];
    for (std::size_t i = best + 1; i < first_.size(); ++i) {
        if (first_[i] == truth_[image] && comes_before(class_scores, i, best)) {
            best = i;
        }
    }
    std::size_t before = 0;
    for (std::size_t i = 0; i < class_scores.size(); ++i) {
        before += comes_before(class_scores, i, best) ? 1 : 0;
    }
    return before;
}

}  // namespace sluice::classify
