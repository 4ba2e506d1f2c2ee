#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sluice/status.h"
#include "sluice/tensor.h"

namespace sluice::run {

/// The least and the greatest element of uint8 or int8.
struct IntegerRange {
    int low, high;
};
IntegerRange integers_of(DataType type);

/// The elements of an uint8 or int8 tensor as a model takes or gives them; files and reports have
/// them as floats.
class IntegerValues {
public:
    explicit IntegerValues(DataType type) : type_(type) {}

    /// Fails where a value is no element of the type, naming it.
    Status set(std::span<const float> values);
    void get(std::span<float> values) const;
    void resize(std::size_t count) { bytes_.assign(count, 0); }

    TensorView view(std::span<const std::int64_t> shape) const;
    MutableTensorView mutable_view(std::span<const std::int64_t> shape);

private:
    DataType type_;
    std::vector<std::uint8_t> bytes_;  ///< of either sign
};

}  // namespace sluice::run
