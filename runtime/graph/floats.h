#pragma once

#include <algorithm>
#include <cstddef>
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

/// Floats that never change, shared by all copies: weights are hundreds of megabytes.
class Floats {
public:
    using value_type = float;

    Floats() = default;
    Floats(std::vector<float> values) {
        const auto owner = std::make_shared<const std::vector<float>>(std::move(values));
        size_ = owner->size();
        data_ = {owner, owner->data()};
    }
    /// All floats that `memory` holds.
    explicit Floats(AlignedMemory memory) {
        const auto owner = std::make_shared<const AlignedMemory>(std::move(memory));
        size_ = owner->size() / sizeof(float);
        memory_ = owner.get();
        data_ = {owner, reinterpret_cast<const float*>(owner->data())};
    }
    // Moving copies, so that size and data agree in what is left.
    Floats(const Floats&) = default;
    Floats& operator=(const Floats&) = default;

    const float* data() const { return data_.get(); }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const float* begin() const { return data(); }
    const float* end() const { return data() + size_; }
    float operator[](std::size_t i) const { return data()[i]; }
    float front() const { return *data(); }

    /// Gives values first .. end back to the system, for who takes large ones in turn and is the
    /// last to: they are undefined afterwards. Does nothing where there are copies of these floats.
    void forget(std::size_t first, std::size_t end) const {
        if (memory_ != nullptr && data_.use_count() == 1) {
            memory_->forget(first * sizeof(float), end * sizeof(float));
        }
    }

    friend bool operator==(const Floats& a, const Floats& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    }

private:
    std::shared_ptr<const float> data_;
    const AlignedMemory* memory_ = nullptr;  ///< that data_ keeps; null where a vector holds them
    std::size_t size_ = 0;
};

}  // namespace sluice
