#include "onnx/external_data.h"

#include <charconv>
#include <string_view>

#include "onnx.pb.h"

namespace sluice {

namespace {

/// Tensors may share data, but not so often that a small file fills the memory.
constexpr std::uint64_t max_times_taken = 4;

struct Place {
    std::string location;
    std::int64_t offset = 0;
    std::int64_t length = -1;  ///< -1: as much as the shape needs
};

bool parse_number(std::string_view text, std::int64_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && number >= 0;
}

Result<Place> place_of(const onnx::TensorProto& tensor) {
    Place place;
    for (const auto& entry : tensor.external_data()) {
        if (entry.key() == "location") {
            place.location = entry.value();
        } else if (entry.key() == "offset" || entry.key() == "length") {
            std::int64_t& number = entry.key() == "offset" ? place.offset : place.length;
            if (!parse_number(entry.value(), number)) {
                return Status::error("external data has the " + entry.key() + " '" + entry.value() +
                                         "', which is no size",
                                     "export the model again");
            }
        }
    }
    return place;
}

/// The file's path without links; none where it is not inside the folder.
std::optional<std::string> path_inside(const std::filesystem::path& folder,
                                       const std::string& location) {
    const std::filesystem::path relative(location);
    bool is_inside =
        !location.empty() && !relative.has_root_path() && location.find('\0') == std::string::npos;
    for (const std::filesystem::path& part : relative) {
        is_inside = is_inside && part != "..";
    }
    if (!is_inside) {
        return std::nullopt;
    }
    std::error_code error;
    const auto base = std::filesystem::weakly_canonical(folder, error);
    const auto target = std::filesystem::weakly_canonical(folder / relative, error);
    const auto rest = target.lexically_relative(base);
    is_inside = !error && !rest.empty() && *rest.begin() != "..";
    return is_inside ? std::optional(target.string()) : std::nullopt;
}

Status cannot_be_read(const std::string& path, const std::string& why, const char* remedy) {
    return Status::error("external data file '" + path + "' cannot be read" + why, remedy);
}

}  // namespace

ExternalData::ExternalData(const std::filesystem::path& model_file)
    : folder_(model_file.has_parent_path() ? model_file.parent_path() : ".") {}

Result<ExternalData::File*> ExternalData::find(const std::string& location) {
    auto known = paths_.find(location);
    if (known == paths_.end()) {
        const auto path = path_inside(folder_, location);
        if (!path) {
            return Status::error(
                "external data '" + location + "' is not inside the model's folder",
                "put the data file beside the model and export again");
        }
        known = paths_.emplace(location, *path).first;
    }
    const std::string& path = known->second;
    if (const auto file = files_.find(path); file != files_.end()) {
        return &file->second;
    }
    const std::string shown = (folder_ / location).string();
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error) {
        return cannot_be_read(shown, ": " + error.message(), "put it beside the model");
    }
    return &(files_[path] = File{shown, size});
}

Result<std::ifstream*> ExternalData::open(const onnx::TensorProto& tensor, std::int64_t size) {
    Result<Place> place = place_of(tensor);
    if (!place.ok()) {
        return place.status();
    }
    Result<File*> found = find(place->location);
    if (!found.ok()) {
        return found.status();
    }
    File& file = *found.value();
    if (place->length >= 0 && place->length != size) {
        return Status::error("external data '" + file.path + "' has a length of " +
                                 std::to_string(place->length) + " bytes where the shape needs " +
                                 std::to_string(size),
                             "export the model again");
    }
    if (std::uint64_t(place->offset) > file.size ||
        std::uint64_t(size) > file.size - std::uint64_t(place->offset)) {
        return Status::error("external data file '" + file.path +
                                 "' is too short: " + std::to_string(file.size) + " bytes, where " +
                                 std::to_string(size) + " at offset " +
                                 std::to_string(place->offset) + " are needed",
                             "copy it again from where the model came from");
    }
    file.taken += std::uint64_t(size);
    if (file.taken / max_times_taken > file.size) {
        return Status::error("external data file '" + file.path + "' has " +
                                 std::to_string(file.size) + " bytes, and tensors take more than " +
                                 std::to_string(max_times_taken) + " times as many of it",
                             "let tensors of the same data be one initialiser");
    }
    if (opened_ != &file) {
        stream_ = std::ifstream(file.path, std::ios::binary);
        opened_ = &file;
    }
    if (!stream_.seekg(place->offset)) {
        return cannot_be_read(file.path, "", "check the file and its permissions");
    }
    return &stream_;
}

}  // namespace sluice
