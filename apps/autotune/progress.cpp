#include "autotune/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "common/text.h"

namespace sluice::autotune {

std::string draw_progress(double share, double seconds_left, const std::string& what) {
    constexpr int cells = 32;
    const double within = std::clamp(share, 0.0, 1.0);
    const int filled = static_cast<int>(within * cells);
    const int left = static_cast<int>(std::max(0.0, seconds_left));
    char times[64];
    std::snprintf(times, sizeof times, "] %3d%%  %d:%02d left  ", static_cast<int>(within * 100),
                  left / 60, left % 60);
    std::string bar = "[";
    bar.append(static_cast<std::size_t>(filled), '#');
    bar.append(static_cast<std::size_t>(cells - filled), '.');
    return bar + times + what;
}

Progress::Progress() : enabled_(::isatty(STDERR_FILENO) != 0) {}

void Progress::show(double share, double seconds_left, const std::string& what) {
    if (enabled_) {
        visible_ = true;
        std::fprintf(stderr, "\r\033[K%s", draw_progress(share, seconds_left, what).c_str());
        std::fflush(stderr);
    }
}

void Progress::say(const std::string& line) {
    hide();
    std::fprintf(stderr, "autotune: %s\n", apps::to_printable(line).c_str());
}

void Progress::hide() {
    if (visible_) {
        std::fputs("\r\033[K", stderr);
        std::fflush(stderr);
        visible_ = false;
    }
}

}  // namespace sluice::autotune
