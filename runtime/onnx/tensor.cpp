#include "onnx/tensor.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <string_view>

#include "onnx.pb.h"

namespace sluice {

namespace {

using onnx::TensorProto;

static_assert(std::endian::native == std::endian::little, "ONNX's raw data is little-endian");

struct Place {
    std::string location;
    std::int64_t offset = 0;
    std::int64_t length = -1;  ///< -1: as much as the shape needs
};

std::int64_t element_size(int type) {
    switch (type) {
        case TensorProto::DOUBLE:
        case TensorProto::INT64:
            return 8;
        case TensorProto::FLOAT:
        case TensorProto::INT32:
            return 4;
        case TensorProto::FLOAT16:
        case TensorProto::BFLOAT16:
            return 2;
        case TensorProto::BOOL:
        case TensorProto::UINT8:
            return 1;
        default:
            return 0;
    }
}

bool is_float_type(int type) {
    return type == TensorProto::FLOAT || type == TensorProto::DOUBLE ||
           type == TensorProto::FLOAT16 || type == TensorProto::BFLOAT16;
}

/// IEEE 754 binary16.
float from_half(std::uint16_t bits) {
    const int exponent = (bits >> 10) & 31;
    const int fraction = bits & 1023;
    float magnitude = 0;
    if (exponent == 31) {
        magnitude = fraction ? std::numeric_limits<float>::quiet_NaN()
                             : std::numeric_limits<float>::infinity();
    } else if (exponent == 0) {
        magnitude = std::ldexp(float(fraction), -24);
    } else {
        magnitude = std::ldexp(float(fraction + 1024), exponent - 25);
    }
    return bits & 0x8000 ? -magnitude : magnitude;
}

float from_bfloat(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t(bits) << 16); }

template <typename Stored>
Stored load(const std::string& bytes, std::size_t index) {
    Stored value;
    std::memcpy(&value, bytes.data() + index * sizeof(Stored), sizeof(Stored));
    return value;
}

template <typename Stored, typename To, typename Convert>
std::vector<To> convert_raw(const std::string& bytes, std::size_t count, Convert convert) {
    std::vector<To> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = To(convert(load<Stored>(bytes, i)));
    }
    return values;
}

template <typename To, typename Field, typename Convert>
std::vector<To> convert_field(const Field& field, Convert convert) {
    std::vector<To> values;
    values.reserve(std::size_t(field.size()));
    for (const auto& value : field) {
        values.push_back(To(convert(value)));
    }
    return values;
}

constexpr auto same = [](auto value) { return value; };

void decode_raw(int type, const std::string& bytes, std::size_t count, Constant& result) {
    using std::int64_t;
    switch (type) {
        case TensorProto::FLOAT:
            result.data = convert_raw<float, float>(bytes, count, same);
            break;
        case TensorProto::DOUBLE:
            result.data = convert_raw<double, float>(bytes, count, same);
            break;
        case TensorProto::FLOAT16:
            result.data = convert_raw<std::uint16_t, float>(bytes, count, from_half);
            break;
        case TensorProto::BFLOAT16:
            result.data = convert_raw<std::uint16_t, float>(bytes, count, from_bfloat);
            break;
        case TensorProto::INT64:
            result.data = convert_raw<int64_t, int64_t>(bytes, count, same);
            break;
        case TensorProto::INT32:
            result.data = convert_raw<std::int32_t, int64_t>(bytes, count, same);
            break;
        default:
            result.data = convert_raw<std::uint8_t, int64_t>(bytes, count, same);
            break;
    }
}

void decode_fields(const TensorProto& tensor, Constant& result) {
    using std::int64_t;
    switch (tensor.data_type()) {
        case TensorProto::FLOAT:
            result.data = convert_field<float>(tensor.float_data(), same);
            break;
        case TensorProto::DOUBLE:
            result.data = convert_field<float>(tensor.double_data(), same);
            break;
        case TensorProto::FLOAT16:
            result.data = convert_field<float>(
                tensor.int32_data(), [](auto bits) { return from_half(std::uint16_t(bits)); });
            break;
        case TensorProto::BFLOAT16:
            result.data = convert_field<float>(
                tensor.int32_data(), [](auto bits) { return from_bfloat(std::uint16_t(bits)); });
            break;
        case TensorProto::INT64:
            result.data = convert_field<int64_t>(tensor.int64_data(), same);
            break;
        default:
            result.data = convert_field<int64_t>(tensor.int32_data(), same);
            break;
    }
}

bool parse_number(std::string_view text, std::int64_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && number >= 0;
}

Result<Place> external_place(const TensorProto& tensor) {
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

/// Keeps external data inside the model's folder, also through symbolic links.
Status check_inside(const std::filesystem::path& folder, const std::string& location) {
    const std::filesystem::path relative(location);
    bool is_inside =
        !location.empty() && !relative.has_root_path() && location.find('\0') == std::string::npos;
    for (const std::filesystem::path& part : relative) {
        is_inside = is_inside && part != "..";
    }
    if (is_inside) {
        std::error_code error;
        const auto base = std::filesystem::weakly_canonical(folder, error);
        const auto target = std::filesystem::weakly_canonical(folder / relative, error);
        const auto rest = target.lexically_relative(base);
        is_inside = !error && !rest.empty() && *rest.begin() != "..";
    }
    if (!is_inside) {
        return Status::error("external data '" + location + "' is not inside the model's folder",
                             "put the data file beside the model and export again");
    }
    return {};
}

Result<std::string> read_external(const TensorProto& tensor, std::int64_t size,
                                  const std::filesystem::path& model_file) {
    Result<Place> found = external_place(tensor);
    if (!found.ok()) {
        return found.status();
    }
    const Place& place = found.value();
    std::filesystem::path folder = model_file.parent_path();
    if (folder.empty()) {
        folder = ".";
    }
    SLUICE_RETURN_IF_ERROR(check_inside(folder, place.location));
    const std::string path = (folder / place.location).string();
    if (place.length >= 0 && place.length != size) {
        return Status::error("external data '" + path + "' has a length of " +
                                 std::to_string(place.length) + " bytes where the shape needs " +
                                 std::to_string(size),
                             "export the model again");
    }
    std::error_code error;
    const std::uintmax_t available = std::filesystem::file_size(path, error);
    if (error) {
        return Status::error("external data file '" + path + "' cannot be read: " + error.message(),
                             "put it beside the model");
    }
    if (std::uint64_t(place.offset) > available ||
        std::uint64_t(size) > available - std::uint64_t(place.offset)) {
        return Status::error("external data file '" + path +
                                 "' is too short: " + std::to_string(available) + " bytes, where " +
                                 std::to_string(size) + " at offset " +
                                 std::to_string(place.offset) + " are needed",
                             "copy it again from where the model came from");
    }
    std::string bytes(std::size_t(size), '\0');
    std::ifstream stream(path, std::ios::binary);
    stream.seekg(place.offset);
    if (!stream.read(bytes.data(), size)) {
        return Status::error("external data file '" + path + "' cannot be read",
                             "check the file and its permissions");
    }
    return bytes;
}

Status check_finite(const Constant& constant) {
    if (!constant.is_float()) {
        return {};
    }
    // Without their signs, bits compare as magnitudes do: one branch for all weights, not one each.
    std::int32_t largest = 0;
    for (float value : constant.floats()) {
        largest = std::max(largest, std::bit_cast<std::int32_t>(value) & 0x7fffffff);
    }
    const float magnitude = std::bit_cast<float>(largest);
    if (std::isnan(magnitude) || (std::isinf(magnitude) && !constant.shape.empty())) {
        return Status::error(std::string("holds ") + (std::isnan(magnitude) ? "NaN" : "infinity"),
                             "the training diverged: export another checkpoint");
    }
    return {};
}

Status fill(const TensorProto& tensor, std::int64_t count, const std::filesystem::path& model_file,
            Constant& result) {
    const std::int64_t size = count * element_size(tensor.data_type());
    const bool is_external = tensor.data_location() == TensorProto::EXTERNAL;
    if (is_external) {
        Result<std::string> bytes = read_external(tensor, size, model_file);
        if (!bytes.ok()) {
            return bytes.status();
        }
        decode_raw(tensor.data_type(), bytes.value(), std::size_t(count), result);
        return {};
    }
    std::int64_t found = 0;
    if (tensor.has_raw_data()) {
        found = std::int64_t(tensor.raw_data().size());
        if (found == size) {
            decode_raw(tensor.data_type(), tensor.raw_data(), std::size_t(count), result);
            return {};
        }
    } else {
        decode_fields(tensor, result);
        found = std::int64_t(std::visit([](const auto& data) { return data.size(); }, result.data));
        if (found == count) {
            return {};
        }
    }
    return Status::error("holds " + std::to_string(found) +
                             (tensor.has_raw_data() ? " bytes" : " elements") +
                             ", which does not fit its shape " + to_string(result.shape),
                         "export the model again");
}

}  // namespace

Result<Constant> decode_tensor(const TensorProto& tensor, const std::filesystem::path& model_file) {
    Constant result;
    result.shape.assign(tensor.dims().begin(), tensor.dims().end());
    if (element_size(tensor.data_type()) == 0) {
        return Status::error("has ONNX element type " + std::to_string(tensor.data_type()) +
                                 ", which Sluice does not read",
                             "export as float, float16, bfloat16, double, int64, int32, uint8 or "
                             "bool");
    }
    if (!is_float_type(tensor.data_type())) {
        result.data = std::vector<std::int64_t>();
    }
    const std::optional<std::int64_t> count = checked_element_count(result.shape);
    if (!count) {
        return Status::error("has the shape " + to_string(result.shape) + ", which is no size",
                             "export the model again");
    }
    SLUICE_RETURN_IF_ERROR(fill(tensor, *count, model_file, result));
    SLUICE_RETURN_IF_ERROR(check_finite(result));
    return result;
}

}  // namespace sluice
