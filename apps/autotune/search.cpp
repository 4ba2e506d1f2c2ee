#include "autotune/search.h"

#include <algorithm>
#include <utility>

namespace sluice::autotune {
namespace {

// A schedule that is faster by less is no reason to move: its neighbours would follow the noise.
constexpr double least_gain = 0.004;

}  // namespace

Search::Search(Space space, const Numbers& present, double ratio)
    : space_(std::move(space)), best_(present), seeds_(make_seeds(space_, present)) {
    tried_[present] = {ratio, {}};
}

void Search::record(const Numbers& numbers, const Outcome& outcome) {
    tried_[numbers] = outcome;
    if (outcome.problem.empty() && outcome.ratio < tried_[best_].ratio * (1 - least_gain)) {
        best_ = numbers;
    }
}

std::vector<Numbers> Search::next(std::size_t most) const {
    std::vector<Numbers> wanted = seeds_;
    const auto is_tried = [this](const Numbers& numbers) { return tried_.contains(numbers); };
    if (std::all_of(seeds_.begin(), seeds_.end(), is_tried)) {
        wanted = make_neighbours(space_, best_);
    }
    std::erase_if(wanted, is_tried);
    wanted.resize(std::min(wanted.size(), most));
    return wanted;
}

}  // namespace sluice::autotune
