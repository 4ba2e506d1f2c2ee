#pragma once

#include <new>
#include <stdexcept>
#include <string>

#include "sluice/status.h"

namespace sluice {

/// That there is no memory for `what`. Where not even the message finds any, a shorter one.
inline Status no_memory(const std::string& file, const char* what) {
    try {
        return Status(
            Problem{file, {}, std::string("there is no memory ") + what, "close other programs"});
    } catch (const std::bad_alloc&) {
        return Status(Problem{{}, {}, "has no memory", {}});  // short enough to need none
    }
}

/// What `make` returns, or a failure where it ran out of memory. What it had made by then is freed.
template <typename Make>
auto unless_no_memory(const std::string& file, const char* what, Make make) -> decltype(make()) {
    try {
        return make();
    } catch (const std::bad_alloc&) {
        return no_memory(file, what);
    } catch (const std::length_error&) {  // more than any memory holds
        return no_memory(file, what);
    }
}

}  // namespace sluice
