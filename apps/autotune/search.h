#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "autotune/space.h"

namespace sluice::autotune {

/// What a candidate came to.
struct Outcome {
    double ratio = 0;     ///< of its time to that of the first numbers; where there is no problem
    std::string problem;  ///< why it was dropped
};

/// Which schedules to try next: the seeds, then the neighbours of the best one and of two more,
/// until none of them is left. Decides from the outcomes alone, so that what an earlier run tried
/// counts.
class Search {
public:
    /// `present`: the numbers to beat, whose ratio is known to be `ratio`.
    Search(Space space, const Numbers& present, double ratio);

    void record(const Numbers& numbers, const Outcome& outcome);
    /// At most `most` schedules without an outcome, likeliest first; none where the search ended.
    std::vector<Numbers> next(std::size_t most) const;
    const Numbers& best() const { return best_; }
    const std::map<Numbers, Outcome>& tried() const { return tried_; }

private:
    /// Those that are right, the best first.
    std::vector<Numbers> ranked() const;

    Space space_;
    Numbers best_;
    std::vector<Numbers> seeds_;
    std::map<Numbers, Outcome> tried_;
};

}  // namespace sluice::autotune
