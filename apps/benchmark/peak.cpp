#include "benchmark/peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace sluice::benchmark {
namespace {

/// Independent sums: two pipes of at most six cycles' latency, and all fit the 16 registers of
/// AVX2.
constexpr int chains = 12;
constexpr double seconds_a_kind = 0.3;
constexpr std::int64_t rounds_a_burst = 100'000;

// Neither value lets a sum overflow or become denormal, and the compiler knows neither.
volatile float factor = 0.999f;
volatile float addend = 0.001f;
volatile float sink;

/// Steps of all chains, over and over.
struct Chains {
    float (*run)(std::int64_t rounds);
    int operations;  ///< a step of one chain: two a MAC
};

double seconds_of(const Chains& of) {
    const auto start = std::chrono::steady_clock::now();
    sink = of.run(rounds_a_burst);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    return elapsed.count();
}

#if defined(__x86_64__)

// Written out for each width, because a function compiled for one cannot take the other's types.
__attribute__((target("avx512f"))) float fma_avx512(std::int64_t rounds) {
    const __m512 a = _mm512_set1_ps(factor), b = _mm512_set1_ps(addend);
    __m512 sums[chains];
    for (int i = 0; i < chains; ++i) {
        sums[i] = _mm512_set1_ps(static_cast<float>(i));
    }
    for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) {
            sums[i] = _mm512_fmadd_ps(sums[i], a, b);
        }
    }
    float total = 0;
    for (const __m512& sum : sums) {
        total += _mm512_cvtss_f32(sum);
    }
    return total;
}

__attribute__((target("avx2,fma"))) float fma_avx2(std::int64_t rounds) {
    const __m256 a = _mm256_set1_ps(factor), b = _mm256_set1_ps(addend);
    __m256 sums[chains];
    for (int i = 0; i < chains; ++i) {
        sums[i] = _mm256_set1_ps(static_cast<float>(i));
    }
    for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) {
            sums[i] = _mm256_fmadd_ps(sums[i], a, b);
        }
    }
    float total = 0;
    for (const __m256& sum : sums) {
        total += _mm256_cvtss_f32(sum);
    }
    return total;
}

// Dot products of four bytes, on which Zen 4 and Cascade Lake and what came after them are fastest.
__attribute__((target("avx512f,avx512vnni"))) float dot_avx512(std::int64_t rounds) {
    const auto number = static_cast<std::int32_t>(factor * 1e6F);
    const __m512i a = _mm512_set1_epi32(number), b = _mm512_set1_epi32(number + 1);
    __m512i sums[chains];
    for (int i = 0; i < chains; ++i) {
        sums[i] = _mm512_set1_epi32(i);
    }
    for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) {
            sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
        }
    }
    std::int32_t total = 0;
    for (const __m512i& sum : sums) {
        total ^= _mm512_cvtsi512_si32(sum);
    }
    return static_cast<float>(total);
}

// Widened bytes in pairs, as kernels multiply them without such an instruction. Each product is of
// the sum before, because one that never changes would be computed once.
__attribute__((target("avx512bw"))) float madd_avx512(std::int64_t rounds) {
    const auto number = static_cast<std::int32_t>(factor * 1e6F);
    const __m512i a = _mm512_set1_epi32(number), b = _mm512_set1_epi32(number + 1);
    __m512i sums[chains];
    for (int i = 0; i < chains; ++i) {
        sums[i] = _mm512_set1_epi32(i);
    }
    for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) {
            sums[i] = _mm512_add_epi32(_mm512_madd_epi16(sums[i], a), b);
        }
    }
    std::int32_t total = 0;
    for (const __m512i& sum : sums) {
        total ^= _mm512_cvtsi512_si32(sum);
    }
    return static_cast<float>(total);
}

// The same, or of bytes: one instruction sums up pairs of them, and a second one twos.
template <bool of_bytes>
__attribute__((target("avx2"))) float madd_avx2(std::int64_t rounds) {
    const auto number = static_cast<std::int32_t>(factor * 1e6F);
    const __m256i a = _mm256_set1_epi32(number), b = _mm256_set1_epi32(number + 1);
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sums[chains];
    for (int i = 0; i < chains; ++i) {
        sums[i] = _mm256_set1_epi32(i);
    }
    for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) {
            const __m256i twos = of_bytes
                                     ? _mm256_madd_epi16(_mm256_maddubs_epi16(sums[i], a), ones)
                                     : _mm256_madd_epi16(sums[i], a);
            sums[i] = _mm256_add_epi32(twos, b);
        }
    }
    std::int32_t total = 0;
    for (const __m256i& sum : sums) {
        total ^= _mm256_cvtsi256_si32(sum);
    }
    return static_cast<float>(total);
}

// Products of matrices of 16 rows and 64 bytes, into six of the eight tiles.
__attribute__((target("amx-tile,amx-int8"))) float tile_dot(std::int64_t rounds) {
    alignas(64) std::uint8_t config[64] = {1};
    for (int tile = 0; tile < 8; ++tile) {
        config[16 + 2 * tile] = 64;  // bytes a row
        config[48 + tile] = 16;      // rows
    }
    alignas(64) std::int32_t values[16 * 16];
    std::fill(std::begin(values), std::end(values), static_cast<std::int32_t>(factor * 1e6F));
    _tile_loadconfig(config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_loadd(6, values, 64);
    _tile_loadd(7, values, 64);
    for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
            _tile_dpbusd(0, 6, 7);
            _tile_dpbusd(1, 6, 7);
            _tile_dpbusd(2, 6, 7);
            _tile_dpbusd(3, 6, 7);
            _tile_dpbusd(4, 6, 7);
            _tile_dpbusd(5, 6, 7);
        }
    }
    _tile_stored(0, values, 64);
    _tile_release();
    return static_cast<float>(values[0]);
}

#endif

// Four lanes: fused on AArch64, and else as GCC's vectors have it.
float fma_portable(std::int64_t rounds) {
    using Vector = float __attribute__((vector_size(16)));
    const float a1 = factor, b1 = addend;
    const Vector a = {a1, a1, a1, a1}, b = {b1, b1, b1, b1};
    Vector sums[chains];
    for (int i = 0; i < chains; ++i) {
        sums[i] = a * static_cast<float>(i);
    }
    for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) {
#if defined(__aarch64__)
            sums[i] = Vector(vfmaq_f32(float32x4_t(b), float32x4_t(sums[i]), float32x4_t(a)));
#else
            sums[i] = sums[i] * a + b;
#endif
        }
    }
    float total = 0;
    for (const Vector& sum : sums) {
        total += sum[0];
    }
    return total;
}

[[gnu::always_inline]] inline std::uint64_t sum_words(const std::uint64_t* words,
                                                      std::size_t count) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        sum += words[i];
    }
    return sum;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) std::uint64_t sum_avx512(const std::uint64_t* words,
                                                            std::size_t count) {
    std::uint64_t sum = 0;
    __m512i sums[4] = {};
    for (std::size_t i = 0; i + 32 <= count; i += 32) {
#pragma GCC unroll 4
        for (std::size_t part = 0; part < 4; ++part) {
            sums[part] = _mm512_add_epi64(sums[part], _mm512_loadu_si512(words + i + 8 * part));
        }
    }
    alignas(64) std::uint64_t lanes[8];
    for (const __m512i& part : sums) {
        _mm512_store_si512(lanes, part);
        sum += sum_words(lanes, 8);
    }
    return sum;
}

__attribute__((target("avx2"))) std::uint64_t sum_avx2(const std::uint64_t* words,
                                                       std::size_t count) {
    std::uint64_t sum = 0;
    __m256i sums[4] = {};
    for (std::size_t i = 0; i + 16 <= count; i += 16) {
#pragma GCC unroll 4
        for (std::size_t part = 0; part < 4; ++part) {
            const auto* from = reinterpret_cast<const __m256i*>(words + i + 4 * part);
            sums[part] = _mm256_add_epi64(sums[part], _mm256_loadu_si256(from));
        }
    }
    alignas(32) std::uint64_t lanes[4];
    for (const __m256i& part : sums) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), part);
        sum += sum_words(lanes, 4);
    }
    return sum;
}
#endif

std::uint64_t sum_portable(const std::uint64_t* words, std::size_t count) {
    return sum_words(words, count);
}

using Sum = std::uint64_t (*)(const std::uint64_t*, std::size_t);

Sum choose_sum() {
#if defined(__x86_64__)
    if (cpu_has("avx512f")) {
        return sum_avx512;
    }
    if (cpu_has("avx2")) {
        return sum_avx2;
    }
#endif
    return sum_portable;
}

}  // namespace

namespace {

/// The best rate of these in 10^9 operations a second; 0 where there are none.
double best_rate(const std::vector<Chains>& known) {
    double best = 0;
    for (const Chains& of : known) {
        const double operations =
            double{chains} * of.operations * static_cast<double>(rounds_a_burst);
        for (double spent = 0; spent < seconds_a_kind;) {
            const double seconds = seconds_of(of);
            best = std::max(best, operations / seconds / 1e9);
            spent += seconds;
        }
    }
    return best;
}

/// Whether the target requires all of the comma-separated flags.
[[maybe_unused]] bool has(const Target& target, const std::string& flags) {
    const std::string all = "," + std::string(target.requires_) + ",";
    std::istringstream list(flags);
    for (std::string flag; std::getline(list, flag, ',');) {
        if (all.find("," + flag + ",") == std::string::npos) {
            return false;
        }
    }
    return true;
}

}  // namespace

double measure_fma_peak([[maybe_unused]] const Target& target) {
    std::vector<Chains> known = {{fma_portable, 2 * 4}};
#if defined(__x86_64__)
    if (has(target, "avx512f")) {
        known.push_back({fma_avx512, 2 * 16});
    }
    if (has(target, "avx2,fma")) {
        known.push_back({fma_avx2, 2 * 8});
    }
#endif
    return best_rate(known);
}

double measure_int8_peak([[maybe_unused]] const Target& target) {
    std::vector<Chains> known;
#if defined(__x86_64__)
    if (has(target, "amx_tile,amx_int8")) {
        known.push_back({tile_dot, 2 * 16 * 16 * 64});
    }
    if (has(target, "avx512f,avx512vnni")) {
        known.push_back({dot_avx512, 2 * 64});
    }
    if (has(target, "avx512f,avx512bw")) {
        known.push_back({madd_avx512, 2 * 32});
    }
    if (has(target, "avx2")) {
        known.push_back({madd_avx2<false>, 2 * 16});
        known.push_back({madd_avx2<true>, 2 * 32});
    }
#endif
    return best_rate(known);
}

double measure_read_gbps(std::size_t bytes) {
    const std::vector<std::uint64_t> words(bytes / sizeof(std::uint64_t), 1);
    const Sum sum = choose_sum();
    constexpr std::size_t bytes_a_pass = std::size_t{1} << 28;
    const std::size_t repeats = std::max<std::size_t>(1, bytes_a_pass / bytes);
    volatile std::uint64_t result = 0;
    double best = 0;
    for (int pass = 0; pass < 6; ++pass) {
        const auto start = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < repeats; ++i) {
            result = result + sum(words.data(), words.size());
        }
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        best = std::max(best, static_cast<double>(repeats * bytes) / elapsed.count() / 1e9);
    }
    return best;
}

}  // namespace sluice::benchmark
