#pragma once

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "sluice/tensor.h"

namespace sluice::session_test {

using Numbers = std::vector<float>;

/// The caller's memory of an input or output of any type.
class Buffer {
public:
    Buffer(DataType type, const Numbers& numbers) {
        if (type == DataType::uint8) {
            data_ = std::vector<std::uint8_t>(numbers.begin(), numbers.end());
        } else if (type == DataType::int8) {
            data_ = std::vector<std::int8_t>(numbers.begin(), numbers.end());
        } else {
            data_ = numbers;
        }
    }
    TensorView view(std::span<const std::int64_t> shape) const {
        return std::visit([&](auto& data) { return TensorView(data.data(), shape); }, data_);
    }
    MutableTensorView mutable_view(std::span<const std::int64_t> shape) {
        return std::visit([&](auto& data) { return MutableTensorView(data.data(), shape); }, data_);
    }
    Numbers numbers() const {
        return std::visit([](auto& data) { return Numbers(data.begin(), data.end()); }, data_);
    }

private:
    std::variant<std::vector<float>, std::vector<std::uint8_t>, std::vector<std::int8_t>> data_;
};

}  // namespace sluice::session_test
