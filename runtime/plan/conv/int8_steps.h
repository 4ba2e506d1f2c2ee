#pragma once

#include "plan/conv/int8_numbers.h"
#include "plan/conv/way.h"

/// What the ways of quantised convolutions have in common.
namespace sluice {

/// The numbers of a call's epilogue, of any form, but for `window_call`'s.
template <typename Call>
void set_int8_end(Call& call, const Packed& packed, const ChannelRange& range,
                  const Int8Numbers& n) {
    call.bias = from_channel(packed.bias, range.first, range.count);
    call.act_low = n.act_low;
    call.act_high = n.act_high;
    call.residual_zero = n.residual_zero;
    call.residual_scale = n.residual_scale;
    call.low = n.low;
    call.high = n.high;
    if constexpr (requires { call.zero; }) {
        call.zero = n.zero;
    }
    if constexpr (requires { call.rounds; }) {
        call.rounds = std::int32_t(n.rounds);
        call.scale = n.scale;
    }
    if constexpr (requires { call.stages; }) {
        call.stages = n.stages;
        call.low1 = n.after_act.low;
        call.high1 = n.after_act.high;
        call.factor1 = n.after_act.factor;
        call.low2 = n.after_gate.low;
        call.high2 = n.after_gate.high;
        call.factor2 = n.after_gate.factor;
    }
}

/// Of the three forms of an algorithm, the one that writes what the layer does.
Algorithm form_of(const Planner& planner, const Convolution& c, Algorithm bytes, Algorithm staged,
                  Algorithm floats);

/// Writes what the gate leaves to the skipped outputs; none where `work` has no such list.
void append_int8_fill(const Planner& planner, const Convolution& c, const Packed& packed,
                      const Work& work, const ChannelRange& range,
                      const std::optional<Choice>& choice, const Int8Numbers& n,
                      std::vector<Step>& steps);

}  // namespace sluice
