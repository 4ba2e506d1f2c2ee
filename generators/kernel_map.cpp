#include <Halide.h>

#include "generators/mask_tables.h"
#include "schedules/kernel_map.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// The pairs that `pair_count` has counted, listed per tap (a kernel map: Choy et al., "4D
/// Spatio-Temporal ConvNets", CVPR 2019, section 4.1), for sparse_conv.
class KernelMap : public Generator<KernelMap> {
public:
    static constexpr int taps = sluice::pair_taps;

    /// As pair_count takes it: (2, group) of the output's gate.
    Input<Buffer<int32_t, 2>> to{"to"};
    /// As pair_count writes them.
    Input<Buffer<int32_t, 1>> counts{"counts"};
    Input<Buffer<int32_t, 2>> around{"around"};
    Input<Buffer<int32_t, 2>> before{"before"};
    Input<int> width{"width"};
    Input<int> height{"height"};
    /// Pixels of a row of the input, halo included: more than width + 1.
    Input<int> row{"row"};
    /// Pairs that sparse_conv takes at once.
    Input<int> pixels{"pixels"};
    /// (pair, tap): y * row + x of the outputs, in row-major order, then `pixels` times that of
    /// (width, 0), which is no output; capacity at least width * height + max(pixels, `mask_bits`).
    Output<Buffer<uint32_t, 2>> pairs{"pairs"};

    void generate() {
        Buffer<uint8_t> order = make_order_table(mask_bits);
        per_row = (width + mask_bits - 1) / mask_bits;
        // A group is written whole: what follows its own pairs, the next group overwrites.
        write = RDom(0, mask_bits, 0, taps, 0, per_row, 0, height, "write");
        Expr place = unsafe_promise_clamped(before(write.y, write.w * per_row + write.z), 0,
                                            write.w * width + write.z * mask_bits);
        Expr bits = (around(write.z, write.w + write.y / 3) >> (write.y % 3)) &
                    to(1, write.w * per_row + write.z);
        pairs(i, t) = undef<uint32_t>();
        pairs(place + write.x, write.y) =
            cast<uint32_t>(write.w * row + write.z * mask_bits) + order(write.x, as_mask(bits));
        end = RDom(0, pixels, 0, taps, "end");
        Expr length = unsafe_promise_clamped(counts(end.y), 0, width * height);
        pairs(length + end.x, end.y) = cast<uint32_t>(width);
    }

    void schedule() {
        to.dim(0).set_bounds(0, 2).dim(1).set_min(0).set_stride(2);
        counts.dim(0).set_bounds(0, taps + 1);
        around.dim(0).set_min(0).dim(1).set_min(0);
        before.dim(0).set_bounds(0, taps).dim(1).set_min(0);
        pairs.dim(0).set_min(0).dim(1).set_bounds(0, taps);
        sluice::schedules::schedule_kernel_map({pairs, write, end});
    }

private:
    Var i{"i"}, t{"t"};
    Expr per_row;
    RDom write, end;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(KernelMap, kernel_map)
