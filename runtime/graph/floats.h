#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "graph/aligned.h"

namespace sluice {

/// Memory of exactly so many bytes; as a vector does, throws std::bad_alloc where there is none.
inline AlignedMemory memory_of(std::size_t bytes) {
    AlignedMemory memory(std::max(bytes, std::size_t{1}));
    if (memory.data() == nullptr) {
        throw std::bad_alloc();
    }
    memory.shrink(bytes);
    return memory;
}

/// Numbers that never change, shared by all copies: weights are hundreds of megabytes.
template <typename Number>
class SharedNumbers {
public:
    using value_type = Number;

    SharedNumbers() = default;
    SharedNumbers(std::vector<Number> values) {
        const auto owner = std::make_shared<const std::vector<Number>>(std::move(values));
        size_ = owner->size();
        data_ = {owner, owner->data()};
    }
    /// All numbers that `memory` holds.
    explicit SharedNumbers(AlignedMemory memory) {
        const auto owner = std::make_shared<const AlignedMemory>(std::move(memory));
        size_ = owner->size() / sizeof(Number);
        memory_ = owner.get();
        data_ = {owner, reinterpret_cast<const Number*>(owner->data())};
    }
    // Moving copies, so that size and data agree in what is left.
    SharedNumbers(const SharedNumbers&) = default;
    SharedNumbers& operator=(const SharedNumbers&) = default;

    const Number* data() const { return data_.get(); }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const Number* begin() const { return data(); }
    const Number* end() const { return data() + size_; }
    Number operator[](std::size_t i) const { return data()[i]; }
    Number front() const { return *data(); }

    /// Gives values first .. end back to the system, for who takes large ones in turn and is the
    /// last to: they are undefined afterwards. Does nothing where there are copies of these
    /// numbers.
    void forget(std::size_t first, std::size_t end) const {
        if (memory_ != nullptr && data_.use_count() == 1) {
            memory_->forget(first * sizeof(Number), end * sizeof(Number));
        }
    }

    friend bool operator==(const SharedNumbers& a, const SharedNumbers& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    }

private:
    std::shared_ptr<const Number> data_;
    const AlignedMemory* memory_ = nullptr;  ///< that data_ keeps; null where a vector holds them
    std::size_t size_ = 0;
};

using Floats = SharedNumbers<float>;
using Int8s = SharedNumbers<std::int8_t>;
using Uint8s = SharedNumbers<std::uint8_t>;

}  // namespace sluice
