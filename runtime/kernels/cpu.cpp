#include "kernels/cpu.h"

#include <cstdint>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace sluice {
namespace {

#if defined(__x86_64__)

struct Leaf {
    std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

Leaf read_leaf(std::uint32_t leaf, std::uint32_t part) {
    Leaf r;
    __get_cpuid_count(leaf, part, &r.a, &r.b, &r.c, &r.d);
    return r;
}

// Which register states the operating system saves; 0 where it saves none beyond SSE.
std::uint64_t saved_states(const Leaf& features) {
    const bool os_uses_xsave = features.c >> 27 & 1;
    if (!os_uses_xsave) {
        return 0;
    }
    std::uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return std::uint64_t(high) << 32 | low;
}

struct Cpu {
    Leaf one = read_leaf(1, 0), seven = read_leaf(7, 0);
    std::uint64_t saved = saved_states(one);
};

/// Whether Linux lets this process use the tile registers. It asks for them: each thread that does
/// use them needs 8 KiB more for its state, so that they are nobody's without asking.
bool may_use_tiles() {
    constexpr long request_permission = 0x1023, tile_data = 18;  // of asm/prctl.h, since 5.16
    return ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

bool has_tiles(const Leaf& seven, std::uint64_t saved) {
    const bool are_saved = (saved >> 17 & 3) == 3, are_there = (seven.d >> 24 & 1) != 0;
    static const bool are_ours = are_saved && are_there && may_use_tiles();
    return are_ours;
}

bool has_flag(std::string_view flag) {
    // Read once: in a virtual machine each CPUID is an exit to the host.
    static const Cpu cpu;
    const auto& [one, seven, saved] = cpu;
    if (flag == "amx_tile" || flag == "amx_int8") {
        return has_tiles(seven, saved) && (flag == "amx_tile" || (seven.d >> 25 & 1) != 0);
    }
    const bool ymm = (saved & 0x6) == 0x6;
    const bool zmm = ymm && (saved & 0xe0) == 0xe0;
    const auto bit = [](std::uint32_t word, int i) { return (word >> i & 1) != 0; };
    const std::pair<std::string_view, bool> known[] = {
        {"sse41", bit(one.c, 19)},
        {"avx", ymm && bit(one.c, 28)},
        {"f16c", ymm && bit(one.c, 29)},
        {"fma", ymm && bit(one.c, 12)},
        {"avx2", ymm && bit(seven.b, 5)},
        {"avx512f", zmm && bit(seven.b, 16)},
        {"avx512dq", zmm && bit(seven.b, 17)},
        {"avx512cd", zmm && bit(seven.b, 28)},
        {"avx512bw", zmm && bit(seven.b, 30)},
        {"avx512vl", zmm && bit(seven.b, 31)},
        {"avx512vnni", zmm && bit(seven.c, 11)},
    };
    for (const auto& [name, present] : known) {
        if (name == flag) {
            return present;
        }
    }
    return false;
}

#elif defined(__aarch64__)

// Advanced SIMD is part of every AArch64 CPU that runs Linux.
bool has_flag(std::string_view flag) {
    return flag == "neon" || (flag == "asimddp" && (::getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0);
}

#else

bool has_flag(std::string_view) { return false; }

#endif

}  // namespace

bool cpu_has(std::string_view flags) {
    while (!flags.empty()) {
        const std::size_t comma = flags.find(',');
        if (!has_flag(flags.substr(0, comma))) {
            return false;
        }
        flags = comma == std::string_view::npos ? std::string_view{} : flags.substr(comma + 1);
    }
    return true;
}

}  // namespace sluice
