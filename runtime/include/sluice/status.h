#pragma once

#include <algorithm>
#include <cassert>
#include <optional>
#include <string>
#include <utility>

namespace sluice {

/// What went wrong, where, and what to do about it. Empty fields are left out of the message.
struct Problem {
    std::string file;    ///< path of the model, image or folder
    std::string node;    ///< ONNX node, as "name (Op)"
    std::string what;    ///< the fault, in a clause
    std::string remedy;  ///< what the caller can do, in a clause
};

/// Success, or one line that names file, node and remedy. Sluice never throws across its API.
class [[nodiscard]] Status {
public:
    Status() = default;
    explicit Status(Problem problem) : problem_(std::move(problem)) {}

    static Status error(std::string what, std::string remedy = {}) {
        return Status(Problem{{}, {}, std::move(what), std::move(remedy)});
    }

    bool ok() const { return !problem_.has_value(); }
    /// The fields of the failure; only where !ok().
    const Problem& problem() const { return *problem_; }

    /// "file: node: what; remedy", on one line: control characters, which a damaged model may have
    /// in its names, become question marks.
    std::string message() const {
        if (ok()) {
            return "ok";
        }
        std::string line;
        for (const std::string& place : {problem_->file, problem_->node}) {
            if (!place.empty()) {
                line += place + ": ";
            }
        }
        line += problem_->what;
        if (!problem_->remedy.empty()) {
            line += "; " + problem_->remedy;
        }
        std::replace_if(
            line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c == 127; }, '?');
        return line;
    }

    /// Names the file, or the node, of a failure that was found where it was not known.
    Status in_file(const std::string& file) && {
        if (!ok() && problem_->file.empty()) {
            problem_->file = file;
        }
        return std::move(*this);
    }
    Status at_node(const std::string& node) && {
        if (!ok() && problem_->node.empty()) {
            problem_->node = node;
        }
        return std::move(*this);
    }

private:
    std::optional<Problem> problem_;
};

/// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : value_(std::move(value)) {}         // NOLINT: a value is a success
    Result(Status status) : status_(std::move(status)) {  // NOLINT: a failure converts
        assert(!status_.ok());
    }

    bool ok() const { return value_.has_value(); }
    const Status& status() const { return status_; }
    T& value() & { return *value_; }
    const T& value() const& { return *value_; }
    T&& value() && { return *std::move(value_); }
    T* operator->() { return &*value_; }
    const T* operator->() const { return &*value_; }

private:
    std::optional<T> value_;
    Status status_;
};

/// Returns early with the failure of a Status expression.
#define SLUICE_RETURN_IF_ERROR(expression)                            \
    do {                                                              \
        if (::sluice::Status status_ = (expression); !status_.ok()) { \
            return status_;                                           \
        }                                                             \
    } while (false)

}  // namespace sluice
