#pragma once

#include <string>
#include <vector>

#include "plan/planner.h"

/// Views of tensors as the kernels that copy and add take them.
namespace sluice {

/// Views of the same extents brought to four axes, those of the smallest strides in `views[0]`
/// first; neighbours that are contiguous in all views become one. Fails beyond four axes.
bool arrange(std::vector<Buffer*> views);
/// The same for kernels that take `views[0]` to be dense along its first axis: it is, or the axis
/// has one index.
bool arrange_dense(std::vector<Buffer*> views);
/// The axis that a call over arranged views is split along, for threads; `arguments` are theirs.
Split split_views(const Buffer& output, std::vector<int> arguments);

/// "[16, 32, 32]".
std::string extents_of(const Buffer& view);

/// A call that makes each element of its output from one of its input, views of the same extents
/// in any order of axes; `what` it does to them, as a failure says it.
template <typename Call>
Result<Step> elementwise_step(const Planner& planner, const Node& node, Algorithm algorithm,
                              Call call, const std::string& what) {
    Step step;
    step.kernel = planner.kernel(algorithm);
    step.node = node.name;
    step.shape = extents_of(call.output);
    step.work = 1;
    for (const Axis& axis : call.output.axes) {
        step.work *= axis.extent;
    }
    if (!arrange({&call.output, &call.input})) {
        return planner.unsupported(node, what + " " + step.shape + " by more than four loops",
                                   "reshape it to fewer extents");
    }
    step.split = split_views(call.output, {index_of(&Call::input), index_of(&Call::output)});
    set_call(step, call);
    return step;
}

/// A copy between views of the same extents and type, in any order of axes. Of bytes, the bits of
/// `flip` are turned.
Result<Step> copy_step(const Planner& planner, const Node& node, const Buffer& from,
                       const Buffer& to, std::int32_t flip = 0);

/// Appends copies as above, several where there are more than four loops.
Status append_copies(const Planner& planner, const Node& node, const Buffer& from, const Buffer& to,
                     std::vector<Step>& steps);

/// How many channels a call handles that gives an output as many channels as its input: all lanes
/// where both have the same channel stride.
std::int64_t common_channels(const Planner& planner, const Layout& x);
/// Whether such a call writes every lane of its output.
bool writes_all_lanes(const Planner& planner, const Layout& x, std::int64_t channels);

/// Elements of one image of a value.
std::int64_t value_count(const Layout& layout);
/// "16x32x32".
std::string extents_of(const Layout& image);

}  // namespace sluice
