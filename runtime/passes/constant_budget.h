#pragma once

#include "graph/graph.h"

namespace sluice {

/// Elements of constants that a model may lead to beyond those in its file: 2^25, and 32 times what
/// the file holds. Real networks stay far below; a file of a few bytes cannot take gigabytes.
class ConstantBudget {
public:
    explicit ConstantBudget(const Graph& graph)
        : all_((std::int64_t(1) << 25) + 32 * graph.stored_elements), left_(all_) {}

    std::int64_t all() const { return all_; }
    /// Whether there were as many left.
    bool take(std::int64_t elements) { return (left_ -= elements) >= 0; }

private:
    std::int64_t all_, left_;
};

/// Fails where nodes read more constants than that in all. A constant counts for every node that
/// reads it, because each node is folded and packed by itself. So do the coefficients that an
/// operator gets for each of its channels.
Status check_readings(const Graph& graph);

}  // namespace sluice
