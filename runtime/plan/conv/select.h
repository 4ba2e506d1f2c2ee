#pragma once

#include <span>
#include <vector>

#include "plan/conv/way.h"

/// The only place that chooses between the ways of computing a convolution.
namespace sluice {

/// The ways that compute a layer, and why others do not.
struct Candidates {
    std::vector<Candidate> ways;
    std::string why_not;  ///< what a reader of the plan would wonder about; else empty
};

/// What computes all outputs of a layer at the least cost, packed. Fails where no kernel does.
Result<Candidates> select_for_all(Planner& planner, const Convolution& c);

/// What may compute the active positions of a layer, packed; each run chooses between them. `c` has
/// no gate yet. Empty where no kernel fits the channels of one call.
Candidates select_for_positions(Planner& planner, const Convolution& c);

/// Whether what may compute the active positions of a layer computes each output once.
bool computes_once(const Planner& planner, Convolution c);

/// Winograd's kernel where the gate has one value for each of its tiles, or for several that make a
/// square; none where it does not.
Candidates select_for_tiles(Planner& planner, const Convolution& c);

/// Dot products for the active elements, and what computes all of them where too many are active.
Result<Candidates> select_for_elements(Planner& planner, const Convolution& c);

/// Emits a way's steps over all outputs.
Status emit_all(Planner& planner, const Convolution& c, const Candidates& candidates,
                std::vector<Step>& steps);

/// Emits a way's steps over all outputs for runs where the only gate of the map is active, and what
/// fills them for all other runs. `active`: 1 or 0, an int32 of the arena.
Status emit_all_or_nothing(Planner& planner, const Convolution& c, const Candidates& candidates,
                           const Buffer& active, std::vector<Step>& steps);

/// Emits the steps of all candidates over what a gate leaves active, and before them the scans that
/// they need and, where there are several, the step that chooses in each run. `lists` are those of
/// the gate's positions; per-element gates have none. Returns the count of active gates, an int32
/// of the arena.
Result<Buffer> emit_active(Planner& planner, const Convolution& c, const Candidates& candidates,
                           const GateLists& lists, const ChannelRange& range,
                           std::vector<Step>& steps);

}  // namespace sluice
