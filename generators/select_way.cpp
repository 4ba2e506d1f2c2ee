#include <Halide.h>

#include "schedules/select_way.h"

namespace {

using namespace Halide;

/// Which of up to three ways of computing a layer costs least in this run. The cost of a way is
/// `fixed` + `rate` * `count`, all in one unit. Of equal costs the first is chosen.
class SelectWay : public Generator<SelectWay> {
public:
    /// [1] each: what a scan has counted.
    Input<Buffer<int32_t, 1>> first_count{"first_count"};
    Input<Buffer<int32_t, 1>> second_count{"second_count"};
    Input<Buffer<int32_t, 1>> third_count{"third_count"};
    Input<float> first_fixed{"first_fixed"};
    Input<float> first_rate{"first_rate"};
    Input<float> second_fixed{"second_fixed"};
    Input<float> second_rate{"second_rate"};
    /// Infinity where there are two ways.
    Input<float> third_fixed{"third_fixed"};
    Input<float> third_rate{"third_rate"};
    /// 0, 1 or 2.
    Output<Buffer<int32_t, 0>> chosen{"chosen"};

    void generate() {
        const auto cost = [](Expr fixed, Expr rate, Expr count) {
            return fixed + rate * cast<float>(count);
        };
        Expr first = cost(first_fixed, first_rate, first_count(0));
        Expr second = cost(second_fixed, second_rate, second_count(0));
        Expr third = cost(third_fixed, third_rate, third_count(0));
        chosen() = select(third < min(first, second), 2, second < first, 1, 0);
    }

    void schedule() {
        for (auto* count : {&first_count, &second_count, &third_count}) {
            count->dim(0).set_bounds(0, 1);
        }
        sluice::schedules::schedule_select_way(chosen);
    }
};

}  // namespace

HALIDE_REGISTER_GENERATOR(SelectWay, select_way)
