#pragma once

#ifdef __linux__
#include <sys/mman.h>
#endif

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

/// Where the system has them: weights read from end to end would else wait for an address
/// translation every 4 KiB, which costs a tenth and more of the time of layers that come from
/// memory.
inline constexpr std::size_t huge_page = std::size_t{2} << 20;

/// Uninitialised memory of a fixed size, in huge pages where it has several and the system some.
class AlignedMemory {
public:
    AlignedMemory() = default;
    /// Null data() where there is no such memory left.
    explicit AlignedMemory(std::size_t bytes)
        : bytes_(std::size_t(round_up(std::int64_t(bytes), std::int64_t(memory_alignment)))),
          data_(allocate(bytes_)) {}

    std::byte* data() const { return data_.get(); }
    std::size_t size() const { return bytes_; }
    /// Gives up what lies behind the first `bytes`; pages never written there took no memory.
    void shrink(std::size_t bytes) { bytes_ = bytes; }
    /// Gives the whole pages among bytes first .. end back to the system while the rest stays; what
    /// those bytes hold then is undefined. Only memory of several huge pages does so.
    void forget(std::size_t first, std::size_t end) const {
#ifdef MADV_DONTNEED
        constexpr std::int64_t page = 4096;
        const auto from = std::size_t(round_up(std::int64_t(first), page));
        const std::size_t to = end / page * page;
        if (bytes_ >= 2 * huge_page && from < to) {
            ::madvise(data() + from, to - from, MADV_DONTNEED);
        }
#endif
    }

private:
    static std::byte* allocate(std::size_t bytes) {
        if (bytes < 2 * huge_page) {
            return static_cast<std::byte*>(std::aligned_alloc(memory_alignment, bytes));
        }
        const auto whole = std::size_t(round_up(std::int64_t(bytes), std::int64_t(huge_page)));
        void* const memory = std::aligned_alloc(huge_page, whole);
#ifdef MADV_HUGEPAGE
        if (memory != nullptr) {
            ::madvise(memory, whole, MADV_HUGEPAGE);  // small pages are slower, and as good else
        }
#endif
        return static_cast<std::byte*>(memory);
    }

    struct Free {
        void operator()(std::byte* data) const { std::free(data); }
    };
    std::size_t bytes_ = 0;
    std::unique_ptr<std::byte, Free> data_;
};

}  // namespace sluice
