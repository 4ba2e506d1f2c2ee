#include "onnx/tensor_decoder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "onnx.pb.h"
#include "onnx/element_type.h"

namespace sluice {

namespace {

using onnx::TensorProto;

static_assert(std::endian::native == std::endian::little, "ONNX's raw data is little-endian");

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
        case TensorProto::INT8:
        case TensorProto::UINT8:
            return 1;
        default:
            return 0;
    }
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

/// The bytes of a tensor, one after the other.
class Source {
public:
    explicit Source(const void* bytes) : next_(static_cast<const char*>(bytes)) {}
    explicit Source(std::ifstream& stream) : stream_(&stream) {}

    bool take(void* to, std::size_t bytes) {
        if (stream_) {
            return bool(stream_->read(static_cast<char*>(to), std::streamsize(bytes)));
        }
        std::memcpy(to, next_, bytes);
        next_ += bytes;
        return true;
    }

private:
    const char* next_ = nullptr;
    std::ifstream* stream_ = nullptr;
};

/// Converts in pieces, so that the bytes are never in memory as a whole beside the values.
template <typename Stored, typename To, typename Convert>
bool convert_raw(Source& source, std::size_t count, Convert convert, Constant& result) {
    constexpr std::size_t piece = 4096;
    std::vector<To> values(count);
    std::array<Stored, piece> stored;
    for (std::size_t first = 0; first < count; first += piece) {
        const std::size_t size = std::min(piece, count - first);
        if (!source.take(stored.data(), size * sizeof(Stored))) {
            return false;
        }
        std::transform(stored.begin(), stored.begin() + std::ptrdiff_t(size),
                       values.begin() + std::ptrdiff_t(first),
                       [&](Stored value) { return To(convert(value)); });
    }
    result.data = std::move(values);
    return true;
}

/// The same for numbers that need no conversion.
template <typename Numbers>
bool take_numbers(Source& source, std::size_t count, Constant& result) {
    AlignedMemory memory = memory_of(count * sizeof(typename Numbers::value_type));
    if (count > 0 && !source.take(memory.data(), memory.size())) {
        return false;
    }
    result.data = Numbers(std::move(memory));
    return true;
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

/// Fails where the source ends early.
bool decode_raw(int type, Source source, std::size_t count, Constant& result) {
    using std::int64_t;
    switch (type) {
        case TensorProto::FLOAT:
            return take_numbers<Floats>(source, count, result);
        case TensorProto::INT8:
            return take_numbers<Int8s>(source, count, result);
        case TensorProto::UINT8:
            return take_numbers<Uint8s>(source, count, result);
        case TensorProto::DOUBLE:
            return convert_raw<double, float>(source, count, same, result);
        case TensorProto::FLOAT16:
            return convert_raw<std::uint16_t, float>(source, count, from_half, result);
        case TensorProto::BFLOAT16:
            return convert_raw<std::uint16_t, float>(source, count, from_bfloat, result);
        case TensorProto::INT64:
            return convert_raw<int64_t, int64_t>(source, count, same, result);
        case TensorProto::INT32:
            return convert_raw<std::int32_t, int64_t>(source, count, same, result);
        default:
            return convert_raw<std::uint8_t, int64_t>(source, count, same, result);
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
        case TensorProto::INT8:
            result.data = convert_field<std::int8_t>(tensor.int32_data(), same);
            break;
        case TensorProto::UINT8:
            result.data = convert_field<std::uint8_t>(tensor.int32_data(), same);
            break;
        default:
            result.data = convert_field<int64_t>(tensor.int32_data(), same);
            break;
    }
}

/// Whether raw data become the constant as they are.
bool keep_raw(int type, AlignedMemory& raw, Constant& result) {
    switch (type) {
        case TensorProto::FLOAT:
            result.data = Floats(std::move(raw));
            return true;
        case TensorProto::INT8:
            result.data = Int8s(std::move(raw));
            return true;
        case TensorProto::UINT8:
            result.data = Uint8s(std::move(raw));
            return true;
        default:
            return false;
    }
}

/// Whether a field of int32 holds what its element type cannot.
bool exceeds_type(const TensorProto& tensor) {
    const int type = tensor.data_type();
    const int low = type == TensorProto::INT8 ? -128 : 0;
    const int high = type == TensorProto::INT8 ? 127 : 255;
    return (type == TensorProto::INT8 || type == TensorProto::UINT8) &&
           std::any_of(tensor.int32_data().begin(), tensor.int32_data().end(),
                       [&](int number) { return number < low || number > high; });
}

/// Of a type that Sluice does not read.
Status unread_type(int type) {
    const bool is_quantised =
        type == TensorProto::INT16 || type == TensorProto::UINT16 || type > TensorProto::BFLOAT16;
    return Status::error("holds " + element_type_name(type) + ", which Sluice does not read",
                         is_quantised ? "quantise to int8 or uint8"
                                      : "export weights as float32 and shapes as int64");
}

}  // namespace

Status TensorDecoder::fill(const TensorProto& tensor, AlignedMemory raw, std::int64_t count,
                           Constant& result) {
    const std::int64_t size = count * element_size(tensor.data_type());
    if (tensor.data_location() == TensorProto::EXTERNAL) {
        Result<std::ifstream*> stream = external_.open(tensor, size);
        if (!stream.ok()) {
            return stream.status();
        }
        if (!decode_raw(tensor.data_type(), Source(*stream.value()), std::size_t(count), result)) {
            return Status::error("has external data that cannot be read",
                                 "check the file and its permissions");
        }
        return {};
    }
    std::int64_t found = 0;
    const bool is_raw = raw.data() != nullptr || tensor.has_raw_data();
    if (raw.data() != nullptr) {
        found = std::int64_t(raw.size());
        if (found == size && keep_raw(tensor.data_type(), raw, result)) {
            return {};
        }
        if (found == size) {
            decode_raw(tensor.data_type(), Source(raw.data()), std::size_t(count), result);
            return {};
        }
    } else if (tensor.has_raw_data()) {
        found = std::int64_t(tensor.raw_data().size());
        if (found == size) {
            decode_raw(tensor.data_type(), Source(tensor.raw_data().data()), std::size_t(count),
                       result);
            return {};
        }
    } else {
        if (exceeds_type(tensor)) {
            return Status::error(
                "holds numbers that are no " + element_type_name(tensor.data_type()),
                "export the model again");
        }
        decode_fields(tensor, result);
        found = std::int64_t(std::visit([](const auto& data) { return data.size(); }, result.data));
        if (found == count) {
            return {};
        }
    }
    return Status::error("holds " + std::to_string(found) + (is_raw ? " bytes" : " elements") +
                             ", which does not fit its shape " + to_string(result.shape),
                         "export the model again");
}

Result<Constant> TensorDecoder::decode(TensorProto& tensor, AlignedMemory raw) {
    Constant result;
    result.shape.assign(tensor.dims().begin(), tensor.dims().end());
    if (element_size(tensor.data_type()) == 0) {
        return unread_type(tensor.data_type());
    }
    if (const char* fault = shape_fault(result.shape)) {
        return Status::error("has the shape " + to_string(result.shape) + ", " + fault,
                             "export the model again");
    }
    const std::int64_t count = element_count(result.shape);
    SLUICE_RETURN_IF_ERROR(fill(tensor, std::move(raw), count, result));
    elements_ += count;
    TensorProto().Swap(&tensor);  // clearing would keep its memory
    return result;
}

}  // namespace sluice
