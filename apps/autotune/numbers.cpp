#include "autotune/numbers.h"

#include "autotune/files.h"

namespace sluice::autotune {
namespace {

/// Numbers of the runtime's, which cmake/SluiceKernels.cmake keeps from the generators too.
constexpr const char* break_even_key = "break_even";
bool is_runtimes(const std::string& name) { return name == break_even_key; }

/// Adds what the rows of a file say of the kernel.
void merge_rows(const nlohmann::json& rows, const std::string& kernel, nlohmann::json& merged) {
    for (const auto& [name, row] : rows.items()) {  // in order, the shorter names first
        if (row.is_object() && (kernel + "_").starts_with(name + "_")) {
            merged.update(row);
        }
    }
}

}  // namespace

std::string to_text(const Numbers& numbers) {
    std::string text;
    for (const auto& [name, value] : numbers) {
        text += (text.empty() ? "" : " ") + name + "=" + std::to_string(value);
    }
    return text;
}

Result<TunedTable> TunedTable::read(const std::filesystem::path& path,
                                    std::span<const std::filesystem::path> below) {
    Result<nlohmann::json> rows = read_json(path);
    if (!rows.ok()) {
        return rows.status();
    }
    TunedTable table;
    table.rows_ = std::move(rows).value();
    for (const std::filesystem::path& other : below) {
        Result<nlohmann::json> more = read_json(other);
        if (!more.ok()) {
            return more.status();
        }
        table.below_.push_back(std::move(more).value());
    }
    return table;
}

nlohmann::json TunedTable::row_of(const std::string& kernel) const {
    nlohmann::json merged = nlohmann::json::object();
    for (const nlohmann::json& rows : below_) {
        merge_rows(rows, kernel, merged);
    }
    merge_rows(rows_, kernel, merged);
    return merged;
}

Numbers TunedTable::numbers(const std::string& kernel) const {
    Numbers numbers;
    const nlohmann::json row = row_of(kernel);
    for (const auto& [name, value] : row.items()) {
        if (value.is_number_integer() && !is_runtimes(name)) {
            numbers[name] = value.get<int>();
        }
    }
    return numbers;
}

std::map<std::string, std::string> TunedTable::others(const std::string& kernel) const {
    std::map<std::string, std::string> others;
    const nlohmann::json row = row_of(kernel);
    for (const auto& [name, value] : row.items()) {
        if (!value.is_number_integer() && !is_runtimes(name)) {
            others[name] = value.is_string() ? value.get<std::string>() : value.dump();
        }
    }
    return others;
}

double TunedTable::break_even(const std::string& kernel) const {
    const nlohmann::json row = row_of(kernel);
    const auto found = row.find(break_even_key);
    return found != row.end() && found->is_number() ? found->get<double>() : 1;
}

void TunedTable::set_break_even(const std::string& kernel, double value) {
    put(kernel, break_even_key, value);
}

void TunedTable::set(const std::string& kernel, const Numbers& numbers) {
    for (const auto& [name, value] : numbers) {
        put(kernel, name, value);
    }
}

void TunedTable::put(const std::string& kernel, const std::string& name,
                     const nlohmann::json& value) {
    nlohmann::json own = rows_.value(kernel, nlohmann::json::object());
    own.erase(name);
    rows_.erase(kernel);
    const nlohmann::json inherited = row_of(kernel);
    if (!inherited.contains(name) || inherited.at(name) != value) {
        own[name] = value;
    }
    if (!own.empty()) {
        rows_[kernel] = std::move(own);
    }
}

std::string TunedTable::text() const {
    std::string text = "{\n";
    std::string separator;
    for (const auto& [kernel, row] : rows_.items()) {
        text += separator + "    " + nlohmann::json(kernel).dump() + ": ";
        separator = ",\n";
        if (!row.is_object()) {
            text += row.dump();
            continue;
        }
        std::string items;
        for (const auto& [name, value] : row.items()) {
            items +=
                (items.empty() ? "" : ", ") + nlohmann::json(name).dump() + ": " + value.dump();
        }
        text += "{" + items + "}";
    }
    return text + "\n}\n";
}

Result<TunedTable> read_either(const std::filesystem::path& path, const std::filesystem::path& base,
                               std::span<const std::filesystem::path> below) {
    std::error_code ignored;
    return TunedTable::read(std::filesystem::exists(path, ignored) ? path : base, below);
}

Status merge_numbers(const std::filesystem::path& path, const std::filesystem::path& base,
                     const std::map<std::string, Numbers>& changes,
                     std::span<const std::filesystem::path> below) {
    Result<TunedTable> table = read_either(path, base, below);
    if (!table.ok()) {
        return table.status();
    }
    for (const auto& [kernel, numbers] : changes) {
        table->set(kernel, numbers);
    }
    return write_text(path, table->text());
}

Status merge_break_even(const std::filesystem::path& path, const std::filesystem::path& base,
                        const std::string& kernel, double value,
                        std::span<const std::filesystem::path> below) {
    Result<TunedTable> table = read_either(path, base, below);
    if (!table.ok()) {
        return table.status();
    }
    table->set_break_even(kernel, value);
    return write_text(path, table->text());
}

}  // namespace sluice::autotune
