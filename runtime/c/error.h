#pragma once

#include <cstddef>
#include <new>

#include "sluice/sluice.h"
#include "sluice/status.h"

namespace sluice::c {

/// Keeps a failure for sluice_last_error of this thread, and returns `code`.
sluice_status fail(sluice_status code, const Status& status) noexcept;
/// Of this API's own checks: "sluice_model_load: path is NULL".
sluice_status wrong_argument(const char* function, const char* what, const char* remedy) noexcept;

/// Whether a pointer is not NULL; a failure of `function` otherwise.
bool is_given(const void* pointer, const char* function, const char* argument) noexcept;
/// Whether there is such an index; a failure of `function` otherwise.
bool is_index(std::size_t index, std::size_t count, const char* function) noexcept;

sluice_status no_memory() noexcept;
sluice_status unknown_exception() noexcept;

/// What `body` returns, or the failure that it ended with. Nothing is thrown into C.
template <typename Body>
sluice_status guarded(Body body) noexcept {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return no_memory();
    } catch (...) {
        return unknown_exception();
    }
}

}  // namespace sluice::c
