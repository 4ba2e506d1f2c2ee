#pragma once

namespace sluice::apps {

/// From here on SIGINT and SIGTERM do not end the process: they are noted, for `interrupted()`.
void watch_interrupts();

bool interrupted();

/// In a forked child: the parent decides what an interrupt ends.
void ignore_interrupts();

}  // namespace sluice::apps
