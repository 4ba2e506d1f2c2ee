#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "classify/scores.h"

namespace sluice::classify {

/// What the network said about an image, and what it cost.
struct Classification {
    std::string file;
    std::vector<float> scores;  ///< as the network gave them
    /// The score of each class, as to_class_scores(); empty where a single score decides none.
    std::vector<float> class_scores;
    std::vector<Ranked> best;        ///< best first; empty where no class is decided
    std::vector<std::string> names;  ///< of the classes in `best`
    double latency_ms = 0.0;         ///< of the network's run alone
    std::int64_t macs = 0;           ///< of the network without its LCCL branches
    std::int64_t macs_executed = 0;  ///< LCCL branches included

    /// Negative where the LCCL branches cost more than the gates save.
    double skipped_share() const {
        return macs == 0 ? 0.0
                         : 1.0 - static_cast<double>(macs_executed) / static_cast<double>(macs);
    }
};

}  // namespace sluice::classify
