#pragma once

#include "plan/conv/way.h"

namespace sluice {

/// A way whose kernel walks a list of positions: any density, in time that is proportional to it.
class ListWay : public Way {
public:
    Work all(Planner& planner, const Convolution& c, const Kernel&) const override {
        Work work;
        work.list = planner.constants.all_positions(c.height(), c.width());
        work.static_count = c.positions();
        return work;
    }

    Work active(Planner&, const Convolution&, const Kernel&, const GateLists& lists,
                std::span<const Cost>, std::vector<Step>&) const override {
        Work work;
        work.list = lists.active;
        work.count = lists.active_count;
        work.skipped = lists.skipped;
        work.skipped_count = lists.skipped_count;
        return work;
    }

    double cost_of_all(const Convolution& c, const Kernel&) const override {
        return double(c.positions());
    }

    Cost cost(const Convolution&, const Kernel&, const Work& work) const override {
        return {0, 1, work.count};
    }

    bool computes_once(const Convolution&, const Kernel&) const override { return true; }

protected:
    ~ListWay() = default;

    /// How much a step has to do that computes the work for some output channels.
    static void measure(Step& step, const Convolution& c, const Work& work,
                        const ChannelRange& range) {
        const Shape& shape = c.conv.weights->shape;
        const std::int64_t bytes = c.conv.is_quantised() ? 1 : 4;
        step.packed_bytes = range.count * shape[2] * shape[3] * c.channel_stride * bytes;
        step.work = 2 * range.count * c.macs_per_output() * c.positions();
        const std::int64_t macs_per_position = range.channels * c.macs_per_output();
        if (work.static_count < 0) {
            step.macs_per_entry = macs_per_position;
        } else {
            step.macs = macs_per_position * c.positions();
        }
    }
};

}  // namespace sluice
