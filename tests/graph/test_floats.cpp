#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <vector>

#include "graph/floats.h"

using namespace sluice;

namespace {

constexpr std::size_t many = std::size_t{3} << 20;

/// 0, 1, 2, ...
Floats counted(std::size_t count) {
    AlignedMemory memory = memory_of(count * sizeof(float));
    float* const values = reinterpret_cast<float*>(memory.data());
    std::iota(values, values + count, 0.0f);
    return Floats(std::move(memory));
}

bool are_counted(const Floats& floats, std::size_t first, std::size_t end) {
    for (std::size_t i = first; i < end; ++i) {
        if (floats[i] != float(i)) {
            return false;
        }
    }
    return true;
}

}  // namespace

TEST_CASE("floats are those of their vector or memory, however many") {
    CHECK(Floats().empty());
    CHECK(Floats(std::vector<float>{}).empty());
    CHECK(counted(0).empty());
    for (const std::size_t count : {std::size_t{1}, std::size_t{17}, many}) {
        std::vector<float> values(count);
        std::iota(values.begin(), values.end(), 0.0f);
        const Floats floats = counted(count);
        CHECK(floats.size() == count);
        CHECK(are_counted(floats, 0, count));
        CHECK(floats == Floats(values));
        values.back() += 1;
        CHECK_FALSE(floats == Floats(values));
        values.pop_back();
        CHECK_FALSE(floats == Floats(values));
    }
}

TEST_CASE("what was moved from is whole, and a copy is the same memory") {
    Floats first = counted(100);
    const float* const data = first.data();
    const Floats second = std::move(first);
    CHECK(second.data() == data);
    CHECK(are_counted(first, 0, first.size()));  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("forgetting leaves the values around, and all of them while there is a copy") {
    const Floats floats = counted(many);
    const std::size_t first = 1001, end = many - 1003;
    {
        const Floats copy = floats;
        floats.forget(0, many);
        CHECK(are_counted(copy, 0, many));
    }
    floats.forget(first, end);
    CHECK(are_counted(floats, 0, first));
    CHECK(are_counted(floats, end, many));
    counted(10).forget(0, 10);
    Floats(std::vector<float>(many)).forget(0, many);
    Floats().forget(0, 0);
}

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("the system gets back what is forgotten") {
    const auto resident_pages = [] {
        std::size_t all = 0, resident = 0;
        std::ifstream("/proc/self/statm") >> all >> resident;
        return resident;
    };
    const Floats floats = counted(8 * many);
    const std::size_t before = resident_pages();
    floats.forget(0, floats.size());
    const std::size_t bytes = floats.size() * sizeof(float);
    CHECK(resident_pages() + bytes * 9 / 10 / 4096 < before);
}
#endif
