#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace sluice {

/// Bytes that a vector's load of any target finds aligned, and that no two cache lines share with
/// others.
inline constexpr std::size_t memory_alignment = 64;

inline constexpr std::int64_t round_up(std::int64_t value, std::int64_t unit) {
    return (value + unit - 1) / unit * unit;
}

/// Uninitialised memory of a fixed size.
class AlignedMemory {
public:
    AlignedMemory() = default;
    /// Null data() where there is no such memory left.
    explicit AlignedMemory(std::size_t bytes)
        : bytes_(std::size_t(round_up(std::int64_t(bytes), std::int64_t(memory_alignment)))),
          data_(static_cast<std::byte*>(std::aligned_alloc(memory_alignment, bytes_))) {}

    std::byte* data() const { return data_.get(); }
    std::size_t size() const { return bytes_; }
    /// Gives up what lies behind the first `bytes`; pages never written there took no memory.
    void shrink(std::size_t bytes) { bytes_ = bytes; }

private:
    struct Free {
        void operator()(std::byte* data) const { std::free(data); }
    };
    std::size_t bytes_ = 0;
    std::unique_ptr<std::byte, Free> data_;
};

}  // namespace sluice
