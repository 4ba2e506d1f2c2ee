#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "kernels/testing.h"

/// Memory that shows what a kernel reads and writes beside its buffers.
namespace sluice::kernel_test {

/// What outputs hold before a call; where a kernel has no business it still stands afterwards.
template <typename T>
constexpr T untouched_value = T(12345);
constexpr float untouched = untouched_value<float>;

/// Values whose end meets a page that cannot be read: a kernel that reads beyond them crashes.
template <typename T>
class GuardedOf {
public:
    GuardedOf() = default;
    explicit GuardedOf(const std::vector<T>& values) {
        const std::size_t page = std::size_t(::sysconf(_SC_PAGESIZE));
        const std::size_t bytes = values.size() * sizeof(T);
        const std::size_t used = (bytes + page - 1) / page * page;
        size_ = used + page;
        void* map =
            ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(map != MAP_FAILED);
        map_ = static_cast<char*>(map);
        REQUIRE(::mprotect(map_ + used, page, PROT_NONE) == 0);
        data_ = map_ + used - bytes;
        std::memcpy(data_, values.data(), bytes);
    }
    ~GuardedOf() {
        if (map_ != nullptr) {
            ::munmap(map_, size_);
        }
    }
    GuardedOf(GuardedOf&& other) noexcept { *this = std::move(other); }
    GuardedOf& operator=(GuardedOf&& other) noexcept {
        std::swap(map_, other.map_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }

    const T* data() const { return reinterpret_cast<const T*>(data_); }
    T* data() { return reinterpret_cast<T*>(data_); }

private:
    char* map_ = nullptr;
    char* data_ = nullptr;
    std::size_t size_ = 0;
};
using Guarded = GuardedOf<float>;

using Guarded = GuardedOf<float>;

using Extents =
    std::vector<std::pair<int, int>>;  ///< {extent, stride} a dimension, innermost first
using Index = std::array<int, 4>;      ///< innermost first, 0 beyond the dimensions

/// A tensor of up to four dimensions whose strides are any. All values begin as `untouched`, those
/// between and around its elements too.
template <typename T>
class StridedOf {
public:
    /// `margin` values lie on both sides; with none, the last element meets a guarded page.
    StridedOf(Extents extents, int margin) : extents_(std::move(extents)) {
        std::copy(extents_.begin(), extents_.end(), all_.begin());
        int low = 0, high = 0;
        for (const auto& [extent, stride] : all_) {
            (stride < 0 ? low : high) += (extent - 1) * stride;
        }
        first_ = margin - low;
        size_ = std::size_t(high - low + 1 + 2 * margin);
        memory_ = GuardedOf<T>(std::vector<T>(size_, untouched_value<T>));
    }

    View view() { return {memory_.data() + first_, extents_}; }
    T& at(const Index& index) { return memory_.data()[place(index)]; }
    T at(const Index& index) const { return memory_.data()[place(index)]; }

    template <typename Visit>
    void for_each(Visit visit) const {
        for (int l = 0; l < all_[3].first; ++l) {
            for (int k = 0; k < all_[2].first; ++k) {
                for (int j = 0; j < all_[1].first; ++j) {
                    for (int i = 0; i < all_[0].first; ++i) {
                        visit(Index{i, j, k, l});
                    }
                }
            }
        }
    }

    template <typename Value>
    void fill(Value value) {
        for_each([&](const Index& index) { at(index) = value(index); });
    }

    /// How many elements are not equal(got, expected(index)), and how many other values
    /// were written.
    template <typename Expected, typename Equal>
    int wrong(Expected expected, Equal equal) const {
        std::vector<bool> is_element(size_, false);
        int count = 0;
        for_each([&](const Index& index) {
            is_element[place(index)] = true;
            count += !equal(at(index), expected(index));
        });
        for (std::size_t i = 0; i < size_; ++i) {
            count += !is_element[i] && memory_.data()[i] != untouched_value<T>;
        }
        return count;
    }

private:
    std::size_t place(const Index& index) const {
        int at = first_;
        for (std::size_t d = 0; d < all_.size(); ++d) {
            at += index[d] * all_[d].second;
        }
        return std::size_t(at);
    }

    Extents extents_;
    std::array<std::pair<int, int>, 4> all_ = {{{1, 0}, {1, 0}, {1, 0}, {1, 0}}};
    int first_ = 0;  ///< place of element 0
    std::size_t size_ = 0;
    GuardedOf<T> memory_;
};
using Strided = StridedOf<float>;

/// Values around an output, as many as no vector store overshoots.
constexpr int output_margin = 32;

/// Infinities and NaN are those expected, or none.
inline auto within(float bound) {
    return [bound](float got, float want) {
        return std::isnan(want) ? std::isnan(got) : got == want || std::abs(got - want) <= bound;
    };
}

/// Equal bit for bit; all NaN are one.
inline bool same_value(float got, float want) {
    return std::isnan(want) ? std::isnan(got) : std::memcmp(&got, &want, sizeof got) == 0;
}

/// NaN or an infinity for one in ten of the values, and for one of them at least.
inline void spoil(std::vector<float>& values, std::mt19937& rng) {
    using Limits = std::numeric_limits<float>;
    const float bad[] = {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()};
    for (float& value : values) {
        value = rng() % 10 == 0 ? bad[rng() % 3] : value;
    }
    values[rng() % values.size()] = Limits::quiet_NaN();
}

/// Bounds that take part in every form of clamp: none, ReLU, both, and the lower above the upper.
inline std::array<Clamp, 4> all_clamps() {
    const float infinity = std::numeric_limits<float>::infinity();
    return {{{}, {0, infinity}, {-0.5f, 1}, {1, -0.5f}}};
}

}  // namespace sluice::kernel_test
