#pragma once

namespace sluice::classify {

/// Images in, classes out, and what the gates of the network saved. Returns the exit status.
int command(int argc, const char* const* argv);

}  // namespace sluice::classify
