#pragma once

#include <utility>

#include "sluice/status.h"

namespace sluice::python {

/// Raises sluice.Error with the fields of a failure. The caller holds the GIL.
[[noreturn]] void raise(const Status& status);

/// The value, or raises its failure.
template <typename T>
T value_of(Result<T>&& result) {
    if (!result.ok()) {
        raise(result.status());
    }
    return std::move(result).value();
}

}  // namespace sluice::python
