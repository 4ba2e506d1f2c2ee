#include "plan/share_out.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

namespace sluice {

int threads_for(std::size_t bytes) {
    constexpr std::size_t each = std::size_t{1} << 20;  // a thread starts while 100 KB are packed
    constexpr std::size_t most = 16;                    // by then the memory is what limits
    const std::size_t cores = std::max(std::thread::hardware_concurrency(), 1U);
    return int(std::clamp(bytes / each, std::size_t{1}, std::min(cores, most)));
}

void share_out(std::int64_t parts, int threads,
               const std::function<void(std::int64_t part)>& work) {
    std::atomic<std::int64_t> next{0};
    const auto run = [&]() noexcept {
        for (std::int64_t part = next++; part < parts; part = next++) {
            work(part);
        }
    };
    std::vector<std::thread> helpers;
    try {
        for (std::int64_t i = 1; i < std::min(std::int64_t(threads), parts); ++i) {
            helpers.emplace_back(run);
        }
    } catch (const std::exception&) {  // no memory or no thread for more of them
    }
    run();
    for (std::thread& helper : helpers) {
        helper.join();
    }
}

}  // namespace sluice
