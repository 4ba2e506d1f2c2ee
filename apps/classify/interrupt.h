#pragma once

namespace sluice::classify {

/// From here on, and not before, SIGINT and SIGTERM are noted and end no more than what asks
/// `interrupted()`.
void watch_interrupts();

bool interrupted();

/// In a forked child: the parent decides what an interrupt ends.
void ignore_interrupts();

}  // namespace sluice::classify
