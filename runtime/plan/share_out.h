#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace sluice {

/// Threads that are worth starting to write so many bytes of packed weights, the caller with them;
/// at most as many as the machine has cores.
int threads_for(std::size_t bytes);

/// Calls work(part) once for each of the parts 0 .. parts - 1, on up to `threads` threads of which
/// the caller is one, and returns when all are done. Parts write apart from each other and throw
/// nothing. Where the system refuses threads, fewer do all.
void share_out(std::int64_t parts, int threads, const std::function<void(std::int64_t part)>& work);

}  // namespace sluice
