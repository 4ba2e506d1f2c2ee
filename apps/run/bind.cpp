#include "run/bind.h"

#include <algorithm>
#include <system_error>

namespace sluice::run {
namespace {

/// The tensor whose name and '=' begin the word: the longest such name, since names may hold '='.
std::optional<std::size_t> find_named(const std::string& word,
                                      const std::vector<TensorInfo>& tensors) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        if (word.starts_with(tensors[i].name + "=") &&
            (!best || tensors[i].name.size() > tensors[*best].name.size())) {
            best = i;
        }
    }
    return best;
}

Status unknown_name(const std::string& word, const std::vector<TensorInfo>& tensors,
                    const std::string& option) {
    return Status::error(
        option + ": '" + word + "' is no file and begins with no name of the model",
        "name a file, or one of " + describe(tensors) + " before the '='");
}

Status one_too_many(const std::string& word, const std::vector<TensorInfo>& tensors,
                    const std::string& option) {
    return Status::error(option + ": '" + word + "' is one file too many",
                         "the model has " + describe(tensors));
}

}  // namespace

Result<Files> share_out(const std::vector<std::string>& words,
                        const std::vector<TensorInfo>& tensors, const std::string& option) {
    Files files(tensors.size());
    std::vector<std::string> unnamed;
    for (const std::string& word : words) {
        const std::optional<std::size_t> named = find_named(word, tensors);
        if (!named) {
            std::error_code code;
            if (word.find('=') != word.npos && !std::filesystem::exists(word, code)) {
                return unknown_name(word, tensors, option);
            }
            unnamed.push_back(word);
            continue;
        }
        if (files[*named]) {
            return Status::error(option + ": '" + tensors[*named].name + "' is given twice",
                                 "give each once");
        }
        files[*named] = word.substr(tensors[*named].name.size() + 1);
    }
    auto next = files.begin();
    for (const std::string& word : unnamed) {
        next = std::find(next, files.end(), std::nullopt);
        if (next == files.end()) {
            return one_too_many(word, tensors, option);
        }
        *next = word;
    }
    return files;
}

Status learn_extents(const TensorInfo& info, const std::vector<std::int64_t>& shape,
                     Extents& extents) {
    const auto failed = [&](const std::string& needed) {
        return Status::error("has the shape " + describe(shape) + ", and " + needed,
                             "give a tensor of that shape");
    };
    bool fits = shape.size() == info.shape.size();
    for (std::size_t axis = 0; fits && axis < shape.size(); ++axis) {
        const Dimension& wanted = info.shape[axis];
        fits = wanted.size < 0 ? shape[axis] >= 1 : shape[axis] == wanted.size;
    }
    if (!fits) {
        return failed(describe(info) + " is needed");
    }
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        const Dimension& wanted = info.shape[axis];
        if (wanted.size < 0 &&
            extents.try_emplace(wanted.name, shape[axis]).first->second != shape[axis]) {
            return failed("another input has '" + wanted.name +
                          "' = " + std::to_string(extents[wanted.name]));
        }
    }
    return {};
}

std::vector<std::int64_t> shape_of(const TensorInfo& info, const Extents& extents) {
    std::vector<std::int64_t> shape;
    for (const Dimension& dimension : info.shape) {
        const auto found = extents.find(dimension.name);
        shape.push_back(dimension.size >= 0      ? dimension.size
                        : found == extents.end() ? 1
                                                 : found->second);
    }
    return shape;
}

std::string describe(const TensorInfo& info) {
    std::string text;
    for (const Dimension& dimension : info.shape) {
        text += text.empty() ? "" : ", ";
        text += dimension.size >= 0      ? std::to_string(dimension.size)
                : dimension.name.empty() ? "?"
                                         : dimension.name;
    }
    const bool is_float = info.type == DataType::float32;
    return "'" + info.name + "' [" + text + "]" +
           (is_float ? "" : std::string(" of ") + to_string(info.type));
}

std::string describe(const std::vector<TensorInfo>& tensors) {
    std::string text;
    for (const TensorInfo& tensor : tensors) {
        text += (text.empty() ? "" : ", ") + describe(tensor);
    }
    return text;
}

std::string describe(const std::vector<std::int64_t>& shape) {
    std::string text;
    for (const std::int64_t extent : shape) {
        text += (text.empty() ? "" : ", ") + std::to_string(extent);
    }
    return "[" + text + "]";
}

}  // namespace sluice::run
