#pragma once

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace sluice {

/// Gives freed memory back to the system. Loading frees a network's weights as it packs them. The C
/// library may keep what it once gave out: a third of a large network would stay in memory twice.
inline void return_freed_memory() {
#ifdef __GLIBC__
    ::malloc_trim(0);
#endif
}

}  // namespace sluice
