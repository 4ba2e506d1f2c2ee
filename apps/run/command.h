#pragma once

namespace sluice::run {

/// Tensors in, tensors out, and how they compare with what was expected. Returns the exit status.
int command(int argc, const char* const* argv);

}  // namespace sluice::run
