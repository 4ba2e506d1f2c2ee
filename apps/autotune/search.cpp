#include "autotune/search.h"

#include <algorithm>
#include <utility>

namespace sluice::autotune {
namespace {

// A schedule that is faster by less is no reason to move: its neighbours would follow the noise.
constexpr double least_gain = 0.004;
// Around how many of the fastest it looks, because the best one may owe its place to the noise.
constexpr std::size_t most_centres = 3;

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

std::vector<Numbers> Search::ranked() const {
    std::vector<std::pair<double, Numbers>> order;
    for (const auto& [numbers, outcome] : tried_) {
        if (outcome.problem.empty()) {
            order.emplace_back(outcome.ratio, numbers);
        }
    }
    std::sort(order.begin(), order.end());
    std::vector<Numbers> ranked = {best_};
    for (auto& [ratio, numbers] : order) {
        if (numbers != best_) {
            ranked.push_back(std::move(numbers));
        }
    }
    return ranked;
}

std::vector<Numbers> Search::next(std::size_t most) const {
    const auto is_tried = [this](const Numbers& numbers) { return tried_.contains(numbers); };
    std::vector<Numbers> wanted = seeds_;
    std::erase_if(wanted, is_tried);
    const std::vector<Numbers> centres = ranked();
    for (std::size_t i = 0; i < std::min(most_centres, centres.size()) && wanted.empty(); ++i) {
        wanted = make_neighbours(space_, centres[i]);
        std::erase_if(wanted, is_tried);
    }
    wanted.resize(std::min(wanted.size(), most));
    return wanted;
}

}  // namespace sluice::autotune
