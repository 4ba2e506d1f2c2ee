#include "common/npy_header.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string>

#include "common/npy.h"

namespace sluice::npy {
namespace {

constexpr const char* save_again = "save it again with numpy.save";
constexpr const char* save_numbers =
    "save a float32, float64, float16, integer or bool array with numpy.save";

Status damaged() { return Status::error("has a damaged header", save_again); }

/// Takes a Python literal apart, of which a header needs four kinds.
class Literal {
public:
    explicit Literal(std::string_view text) : text_(text) {}

    /// Takes `symbol` where it is next.
    bool take(std::string_view symbol) {
        skip_space();
        if (!text_.starts_with(symbol)) {
            return false;
        }
        text_.remove_prefix(symbol.size());
        return true;
    }

    std::optional<std::string> take_string() {
        const char quote = take("'") ? '\'' : take("\"") ? '"' : '\0';
        const std::size_t end = quote == '\0' ? text_.npos : text_.find(quote);
        if (end == text_.npos) {
            return std::nullopt;
        }
        const std::string found(text_.substr(0, end));
        text_.remove_prefix(end + 1);
        return found;
    }

    std::optional<bool> take_bool() {
        return take("True")    ? std::optional(true)
               : take("False") ? std::optional(false)
                               : std::nullopt;
    }

    std::optional<std::int64_t> take_extent() {
        skip_space();
        std::int64_t extent = 0;
        const char* const end = text_.data() + text_.size();
        const auto [next, fault] = std::from_chars(text_.data(), end, extent);
        if (fault != std::errc() || extent < 0) {
            return std::nullopt;
        }
        text_.remove_prefix(static_cast<std::size_t>(next - text_.data()));
        return extent;
    }

    bool at_end() {
        skip_space();
        return text_.empty();
    }

private:
    void skip_space() {
        text_.remove_prefix(std::min(text_.find_first_not_of(" \t\r\n"), text_.size()));
    }
    std::string_view text_;
};

Status read_type(Literal& literal, Header& header) {
    if (literal.take("[")) {
        return Status::error("holds records of several fields", save_numbers);
    }
    const std::optional<std::string> type = literal.take_string();
    if (!type) {
        return damaged();
    }
    if (type->find('O') != std::string::npos) {
        return Status::error("holds pickled Python objects, which are never loaded", save_numbers);
    }
    static const std::set<std::string> known = {"f2", "f4", "f8", "i1", "i2", "i4",
                                                "i8", "u1", "u2", "u4", "u8", "b1"};
    const bool has_order =
        type->size() == 3 && std::string("<>|=").find((*type)[0]) != std::string::npos;
    if (!has_order || !known.contains(type->substr(1))) {
        return Status::error("has elements of type '" + *type + "', which cannot become float32",
                             save_numbers);
    }
    header.big_endian = (*type)[0] == '>';
    header.kind = (*type)[1];
    header.bytes = (*type)[2] - '0';
    return {};
}

Status read_shape(Literal& literal, Header& header) {
    if (!literal.take("(")) {
        return damaged();
    }
    while (!literal.take(")")) {
        const std::optional<std::int64_t> extent = literal.take_extent();
        // One extent is written "(3,)".
        const bool separated = literal.take(",");
        if (!extent || (!separated && (header.shape.empty() || !literal.take(")")))) {
            return damaged();
        }
        header.shape.push_back(*extent);
        if (!separated) {
            break;
        }
    }
    if (header.shape.size() > max_rank) {
        return Status::error("has " + std::to_string(header.shape.size()) + " axes",
                             "save at most " + std::to_string(max_rank));
    }
    // Each extent by itself too: one of 0 would hide others from the product.
    for (const std::int64_t extent : header.shape) {
        if (extent > max_elements || header.count * extent > max_elements) {
            return Status::error("has more than 2^31 elements", "split it into smaller batches");
        }
        header.count *= extent;
    }
    return {};
}

Status read_entry(Literal& literal, const std::string& key, Header& header) {
    if (key == "descr") {
        return read_type(literal, header);
    }
    if (key == "shape") {
        return read_shape(literal, header);
    }
    const std::optional<bool> order = literal.take_bool();
    if (key != "fortran_order" || !order) {
        return damaged();
    }
    header.column_major = *order;
    return {};
}

}  // namespace

Result<Header> parse_header(std::string_view text) {
    Literal literal(text);
    Header header;
    std::set<std::string> keys;
    if (!literal.take("{")) {
        return damaged();
    }
    while (!literal.take("}")) {
        const std::optional<std::string> key = literal.take_string();
        if (!key || !literal.take(":") || !keys.insert(*key).second) {
            return damaged();
        }
        SLUICE_RETURN_IF_ERROR(read_entry(literal, *key, header));
        if (!literal.take(",")) {
            if (!literal.take("}")) {
                return damaged();
            }
            break;
        }
    }
    if (keys.size() != 3 || !literal.at_end()) {
        return damaged();
    }
    return header;
}

}  // namespace sluice::npy
