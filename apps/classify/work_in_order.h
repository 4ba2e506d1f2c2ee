#pragma once

#include <cstddef>
#include <functional>

#include "sluice/status.h"

namespace sluice::classify {

/// Pieces of work, numbered 0 .. count - 1, that threads share out.
struct OrderedWork {
    std::size_t count = 0;
    int threads = 1;  ///< the caller's included
    /// Pieces that may be under way or wait for their turn. A piece begins once the one that is
    /// `ahead` before it has been taken, so results can lie in a ring of so many places.
    std::size_t ahead = 1;
    /// Does a piece, on thread 0 .. threads - 1 (the caller's is 0). What it throws ends the work.
    std::function<void(int thread, std::size_t piece)> work;
    /// Takes a finished piece: each once and in their order. It runs on any of the threads, on one
    /// at a time. A failure ends the work.
    std::function<Status(std::size_t piece)> take;
};

/// Returns when all is taken and all threads have ended. Fails where a `take` fails, a thread
/// cannot be started, or something is thrown. Further pieces are then neither begun nor taken.
Status work_in_order(const OrderedWork& work);

}  // namespace sluice::classify
