#include <Halide.h>

#include "generators/mask_tables.h"
#include "schedules/open_count.h"

namespace {

using namespace Halide;
using namespace sluice::generators;

/// How many gates of a layer are open, which decides in each run whether a list of them pays.
class OpenCount : public Generator<OpenCount> {
public:
    /// Any four axes, dense along the first. A NaN is not zero, as in the lists.
    Input<Buffer<float, 4>> gate{"gate"};
    Output<Buffer<int32_t, 0>> count{"count"};

    void generate() {
        gates = RDom(0, gate.dim(0).extent(), 0, gate.dim(1).extent(), 0, gate.dim(2).extent(), 0,
                     gate.dim(3).extent(), "gates");
        count() += cast<int32_t>(is_open(gate(gates.x, gates.y, gates.z, gates.w)));
    }

    void schedule() {
        for (int d = 0; d < 4; ++d) {
            gate.dim(d).set_min(0);
        }
        sluice::schedules::schedule_open_count({count, gates}, {natural_vector_size<float>()});
    }

private:
    RDom gates;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(OpenCount, open_count)
