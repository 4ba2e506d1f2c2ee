#include "common/interrupt.h"

#include <csignal>
#include <initializer_list>

namespace sluice::apps {
namespace {

volatile std::sig_atomic_t noted = 0;

void handle(int signal, void (*handler)(int)) {
    struct sigaction action = {};
    action.sa_handler = handler;
    // No SA_RESTART: a wait, for a child or for whoever reads our output, must come back.
    ::sigaction(signal, &action, nullptr);
}

}  // namespace

void watch_interrupts() {
    noted = 0;
    for (const int signal : {SIGINT, SIGTERM}) {
        handle(signal, [](int) { noted = 1; });
    }
}

bool interrupted() { return noted != 0; }

void ignore_interrupts() { handle(SIGINT, SIG_IGN); }

}  // namespace sluice::apps
