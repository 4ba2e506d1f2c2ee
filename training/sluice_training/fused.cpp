// The memory-bound operators of a training step, each in as few passes over memory as its sums
// allow. Compiled on first use by fused.py, which says what each one computes.
//
// Activations are [P, C], P = N * H * W positions in channels-last order, in float or bfloat16.
// Sums are taken over blocks in float and over blocks of blocks in double, in a fixed order.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr long kBlock = 256;

struct Bfloat16 {
    uint16_t bits;
};

inline float load(float value) { return value; }
inline float load(Bfloat16 value) {
    const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

inline void store(float value, float& target) { target = value; }
inline void store(float value, Bfloat16& target) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    target.bits = static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// A mask is a gate per position that multiplies what the batch norm gives; the others multiply what
// it takes.
enum Gating { kNone, kPosition, kElement, kMask };

// The gate of channel c at the position whose gates begin at `gate`.
template <Gating G, typename T>
inline float gate_at(const T* gate, long c) {
    if constexpr (G == kNone) return 1.0f;
    return load(gate[G == kElement ? c : 0]);
}

template <Gating G>
inline long gate_step(long channels) {
    return G == kNone ? 0 : G == kElement ? channels : 1;
}

// The sum of a row, halved over and over where the width is known: GCC turns a reduction over
// sixteen lanes into scalar code.
template <long FixedC>
inline float sum_lanes(float* values, long channels) {
    if constexpr (FixedC == 0) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (long c = 0; c < channels; ++c) sum += values[c];
        return sum;
    }
    for (long half = FixedC / 2; half > 0; half /= 2) {
#pragma omp simd
        for (long c = 0; c < half; ++c) values[c] += values[c + half];
    }
    return values[0];
}

// Adds up two values per channel over all positions: add(position, channel, first, second).
template <long FixedC, typename Add>
void sum_channels(long positions, long channels, double* first, double* second, Add add) {
    const long C = FixedC ? FixedC : channels;
    std::vector<float> block(2 * C);
    float *a = block.data(), *b = a + C;
    for (long start = 0; start < positions; start += kBlock) {
        std::fill(block.begin(), block.end(), 0.0f);
        const long end = std::min(positions, start + kBlock);
        for (long p = start; p < end; ++p) {
#pragma omp simd
            for (long c = 0; c < C; ++c) add(p, c, a[c], b[c]);
        }
        for (long c = 0; c < C; ++c) first[c] += a[c], second[c] += b[c];
    }
}

// Whether the clamped output lets its gradient through.
inline bool passes(float out, float limit) { return (out > 0) & (out < limit); }

// The batch norm as one scale and one shift per channel: [2, C].
template <typename M>
std::vector<float> affine_of(const M* mean, const M* variance, const float* weight,
                             const float* bias, float epsilon, long C) {
    std::vector<float> affine(2 * C);
    for (long c = 0; c < C; ++c) {
        affine[c] = static_cast<float>(weight[c] / __builtin_sqrt(double(variance[c]) + epsilon));
        affine[C + c] = static_cast<float>(bias[c] - double(mean[c]) * affine[c]);
    }
    return affine;
}

template <long FixedC, Gating G, typename T>
void forward(const T* y, const T* gate, const T* residual, T* out, float* mean, float* variance,
             const float* weight, const float* bias, float epsilon, float limit, long P,
             long channels) {
    const long C = FixedC ? FixedC : channels, step = gate_step<G>(C);
    std::vector<double> sum(2 * C);
    sum_channels<FixedC>(P, C, sum.data(), sum.data() + C, [=](long p, long c, float& a, float& b) {
        const float v = load(y[p * C + c]) * (G == kMask ? 1 : gate_at<G>(gate + p * step, c));
        a += v;
        b += v * v;
    });
    for (long c = 0; c < C; ++c) {
        const double m = sum[c] / P, v = std::max(sum[C + c] / P - m * m, 0.0);
        mean[c] = static_cast<float>(sum[c] = m);
        variance[c] = static_cast<float>(sum[C + c] = v);
    }
    const std::vector<float> affine =
        affine_of(sum.data(), sum.data() + C, weight, bias, epsilon, C);
    const float *scale = affine.data(), *shift = scale + C;
    for (long p = 0; p < P; ++p) {
        const T* g = gate + p * step;
#pragma omp simd
        for (long c = 0; c < C; ++c) {
            float v = load(y[p * C + c]);
            const float active = gate_at<G>(g, c);
            v = G == kMask ? (v * scale[c] + shift[c]) * active : v * active * scale[c] + shift[c];
            if (residual) v += load(residual[p * C + c]);
            store(std::min(v > 0 ? v : 0.0f, limit), out[p * C + c]);
        }
    }
}

template <long FixedC, Gating G, typename T>
void backward(const T* dout, const T* out, const T* y, const T* gate, T* __restrict dy,
              T* __restrict dgate, T* __restrict dresidual, float* dweight, float* dbias,
              const float* mean, const float* variance, const float* weight, const float* bias,
              float epsilon, float limit, long P, long channels) {
    const long C = FixedC ? FixedC : channels, step = gate_step<G>(C);
    const std::vector<float> affine = affine_of(mean, variance, weight, bias, epsilon, C);
    const float *scale = affine.data(), *shift = scale + C;
    // A skipped output is zero without a residual, and its mask learns all the same: the clamp is
    // then that of the norm's result.
    const bool clamped_before_mask = G == kMask && dresidual == nullptr;
    const auto gradient = [=](long i, long c) {
        const float passing = clamped_before_mask ? load(y[i]) * scale[c] + shift[c] : load(out[i]);
        return passes(passing, limit) ? load(dout[i]) : 0.0f;
    };
    std::vector<double> sum(2 * C);
    sum_channels<FixedC>(P, C, sum.data(), sum.data() + C, [=](long p, long c, float& a, float& b) {
        const long i = p * C + c;
        const float active = gate_at<G>(gate + p * step, c);
        const float d = gradient(i, c) * (G == kMask ? active : 1);
        a += d;
        b += d * load(y[i]) * (G == kMask ? 1 : active);
    });
    std::vector<float> factors(3 * C);
    float *of_d = factors.data(), *of_v = of_d + C, *constant = of_v + C;
    for (long c = 0; c < C; ++c) {
        const double inverse = 1 / __builtin_sqrt(double(variance[c]) + epsilon);
        const double dw = (sum[C + c] - mean[c] * sum[c]) * inverse, factor = weight[c] * inverse;
        dweight[c] = static_cast<float>(dw);
        dbias[c] = static_cast<float>(sum[c]);
        of_d[c] = static_cast<float>(factor);
        of_v[c] = static_cast<float>(-factor * inverse * dw / P);
        constant[c] = static_cast<float>(-factor * sum[c] / P - of_v[c] * double(mean[c]));
    }
    // On the stack where the width is known, so that the products stay in registers.
    float fixed_row[FixedC ? FixedC : 1];
    std::vector<float> row(FixedC ? 0 : C);
    float* const products = FixedC ? fixed_row : row.data();
    for (long p = 0; p < P; ++p) {
        const T* g = gate + p * step;
#pragma omp simd
        for (long c = 0; c < C; ++c) {
            const long i = p * C + c;
            const float d = gradient(i, c), value = load(y[i]), active = gate_at<G>(g, c);
            if (dresidual) store(d, dresidual[i]);
            if constexpr (G == kMask) {
                store(of_d[c] * d * active + of_v[c] * value + constant[c], dy[i]);
                products[c] = d * (value * scale[c] + shift[c]);
                continue;
            }
            const float dv = of_d[c] * d + of_v[c] * value * active + constant[c];
            store(dv * active, dy[i]);
            if constexpr (G == kElement) store(dv * value, dgate[i]);
            if constexpr (G == kPosition) products[c] = dv * value;
        }
        if constexpr (G == kPosition || G == kMask) store(sum_lanes<FixedC>(products, C), dgate[p]);
    }
}

// Calls function.operator()<FixedC, Gating>(), so that usual widths are one vector loop.
template <typename F>
void dispatch(long channels, int gating, F function) {
    const auto with_gating = [&]<long C>() {
        if (gating == kNone) function.template operator()<C, kNone>();
        if (gating == kPosition) function.template operator()<C, kPosition>();
        if (gating == kElement) function.template operator()<C, kElement>();
        if (gating == kMask) function.template operator()<C, kMask>();
    };
    if (channels == 16) return with_gating.template operator()<16>();
    if (channels == 32) return with_gating.template operator()<32>();
    if (channels == 64) return with_gating.template operator()<64>();
    with_gating.template operator()<0>();
}

struct Window {
    long images, height, width, rows, columns, kernel, stride, pad;
};

// Calls visit(output position, tap element) for each tap that lies inside its image. Taps are
// planes [kernel * kernel, images * height * width].
template <long FixedStride, typename Visit>
void visit_rows(const Window& w, Visit visit) {
    const long stride = FixedStride ? FixedStride : w.stride;
    const long plane = w.images * w.height * w.width;
    for (long n = 0; n < w.images; ++n)
        for (long i = 0; i < w.rows; ++i)
            for (long u = 0; u < w.kernel; ++u) {
                const long row = i * stride + u - w.pad;
                if (row < 0 || row >= w.height) continue;
                for (long v = 0; v < w.kernel; ++v) {
                    const long first = v - w.pad;
                    if (first >= w.width) continue;
                    const long begin = first < 0 ? (-first + stride - 1) / stride : 0;
                    const long end = std::min(w.columns, (w.width - 1 - first) / stride + 1);
                    const long to = (n * w.rows + i) * w.columns;
                    const long from =
                        (u * w.kernel + v) * plane + (n * w.height + row) * w.width + first;
#pragma omp simd
                    for (long j = begin; j < end; ++j) visit(to + j, from + j * stride);
                }
            }
}

template <typename Visit>
void visit_taps(const Window& w, Visit visit) {
    if (w.stride == 1) return visit_rows<1>(w, visit);
    visit_rows<0>(w, visit);
}

}  // namespace

#define SLUICE_OPERATORS(SUFFIX, T)                                                                \
    extern "C" void norm_relu_forward_##SUFFIX(                                                    \
        const T* y, const T* gate, const T* residual, T* out, float* mean, float* variance,        \
        const float* weight, const float* bias, float epsilon, float limit, long P, long C,        \
        int gating) {                                                                              \
        dispatch(C, gating, [&]<long F, Gating G>() {                                              \
            forward<F, G>(y, gate, residual, out, mean, variance, weight, bias, epsilon, limit, P, \
                          C);                                                                      \
        });                                                                                        \
    }                                                                                              \
    extern "C" void norm_relu_backward_##SUFFIX(                                                   \
        const T* dout, const T* out, const T* y, const T* gate, T* dy, T* dgate, T* dresidual,     \
        float* dweight, float* dbias, const float* mean, const float* variance,                    \
        const float* weight, const float* bias, float epsilon, float limit, long P, long C,        \
        int gating) {                                                                              \
        dispatch(C, gating, [&]<long F, Gating G>() {                                              \
            backward<F, G>(dout, out, y, gate, dy, dgate, dresidual, dweight, dbias, mean,         \
                           variance, weight, bias, epsilon, limit, P, C);                          \
        });                                                                                        \
    }                                                                                              \
    extern "C" void sum_taps_##SUFFIX(const T* taps, float* z, const Window* window) {             \
        visit_taps(*window, [=](long to, long from) { z[to] += load(taps[from]); });               \
    }                                                                                              \
    extern "C" void spread_taps_##SUFFIX(const float* dz, T* dtaps, const Window* window) {        \
        visit_taps(*window, [=](long to, long from) { store(dz[to], dtaps[from]); });              \
    }

SLUICE_OPERATORS(float, float)
SLUICE_OPERATORS(bfloat16, Bfloat16)
