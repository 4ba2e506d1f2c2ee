#include "classify/progress.h"

#include <unistd.h>

#include <cstdio>

namespace sluice::classify {

std::string draw_progress(std::size_t done, std::size_t total) {
    constexpr std::size_t cells = 32;
    const std::size_t filled = cells * done / total;
    std::string bar = "[";
    bar.append(filled, '#').append(cells - filled, '.').append("] ");
    return bar + std::to_string(done) + "/" + std::to_string(total);
}

Progress::Progress(std::size_t total)
    : total_(total), enabled_(total > 1 && ::isatty(STDERR_FILENO) != 0) {}

void Progress::show(std::size_t done) {
    const auto now = std::chrono::steady_clock::now();
    if (!enabled_ || now - last_ < std::chrono::milliseconds(100)) {
        return;
    }
    last_ = now;
    visible_ = true;
    std::fprintf(stderr, "\r%s", draw_progress(done, total_).c_str());
    std::fflush(stderr);
}

void Progress::hide() {
    if (visible_) {
        std::fputs("\r\033[K", stderr);
        std::fflush(stderr);
        visible_ = false;
    }
}

}  // namespace sluice::classify
