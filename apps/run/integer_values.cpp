#include "run/integer_values.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace sluice::run {

IntegerRange integers_of(DataType type) {
    return type == DataType::int8 ? IntegerRange{-128, 127} : IntegerRange{0, 255};
}

Status IntegerValues::set(std::span<const float> values) {
    const auto [low, high] = integers_of(type_);
    bytes_.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const float value = values[i];
        if (!(value >= float(low) && value <= float(high) && value == std::floor(value))) {
            return Status::error(
                "holds " + std::to_string(value) + ", which is no " + to_string(type_),
                "give whole numbers from " + std::to_string(low) + " to " + std::to_string(high));
        }
        bytes_[i] = std::uint8_t(int(value));
    }
    return {};
}

void IntegerValues::get(std::span<float> values) const {
    const bool is_signed = type_ == DataType::int8;
    std::transform(bytes_.begin(), bytes_.end(), values.begin(), [is_signed](std::uint8_t byte) {
        return is_signed ? float(std::int8_t(byte)) : float(byte);
    });
}

TensorView IntegerValues::view(std::span<const std::int64_t> shape) const {
    if (type_ == DataType::int8) {
        return {reinterpret_cast<const std::int8_t*>(bytes_.data()), shape};
    }
    return {bytes_.data(), shape};
}

MutableTensorView IntegerValues::mutable_view(std::span<const std::int64_t> shape) {
    if (type_ == DataType::int8) {
        return {reinterpret_cast<std::int8_t*>(bytes_.data()), shape};
    }
    return {bytes_.data(), shape};
}

}  // namespace sluice::run
