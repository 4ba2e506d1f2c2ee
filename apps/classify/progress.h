#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace sluice::classify {

/// "[######......] 12/24".
std::string draw_progress(std::size_t done, std::size_t total);

/// A bar on standard error, where that is a terminal and there is more than one image.
class Progress {
public:
    explicit Progress(std::size_t total);
    ~Progress() { hide(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// At most ten times per second, so that the terminal does not slow the network down.
    void show(std::size_t done);
    /// Clears the bar's line before something else is printed.
    void hide();

private:
    std::size_t total_;
    bool enabled_;
    bool visible_ = false;
    std::chrono::steady_clock::time_point last_{};
};

}  // namespace sluice::classify
