#pragma once

#include <string>

namespace sluice::autotune {

/// "[######......]  41%  1:05 left  gated_conv_f32_3x3_c16_position".
std::string draw_progress(double share, double seconds_left, const std::string& what);

/// Lines on standard error, and a bar below them where that is a terminal.
class Progress {
public:
    Progress();
    ~Progress() { hide(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void show(double share, double seconds_left, const std::string& what);
    /// "autotune: LINE", above the bar.
    void say(const std::string& line);

private:
    void hide();

    bool enabled_;
    bool visible_ = false;
};

}  // namespace sluice::autotune
