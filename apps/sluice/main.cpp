// sluice: classify, run and benchmark in one program, and the plan of a network.

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "benchmark/command.h"
#include "classify/command.h"
#include "run/command.h"

namespace {

constexpr int failure = 2;

constexpr const char* usage =
    "usage: sluice COMMAND ...\n"
    "\n"
    "  classify   images in, classes out, and what the gates of the network saved\n"
    "  run        tensors in, tensors out, and how they compare with what was expected\n"
    "  benchmark  how long networks and kernels take, and other engines beside them\n"
    "  explain    the plan of a network, a line per step\n"
    "  report     a page of masks, densities, times and the plan (of the Python package)\n"
    "\n"
    "sluice COMMAND --help says more.\n";

/// The plan is an option of run, which takes any network.
int explain(int argc, const char* const* argv) {
    std::vector<const char*> arguments(argv, argv + argc);
    arguments.push_back("--explain");
    return sluice::run::command(int(arguments.size()), arguments.data());
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view word = argc > 1 ? argv[1] : "";
    if (word == "classify") {
        return sluice::classify::command(argc - 1, argv + 1);
    }
    if (word == "run") {
        return sluice::run::command(argc - 1, argv + 1);
    }
    if (word == "benchmark") {
        return sluice::benchmark::command(argc - 1, argv + 1, {"benchmark"});
    }
    if (word == "explain") {
        return explain(argc - 1, argv + 1);
    }
    if (word == "--help" || word == "-h") {
        return std::fputs(usage, stdout) < 0 ? failure : 0;
    }
    if (word == "--version") {
        return std::puts("sluice " SLUICE_VERSION) < 0 ? failure : 0;
    }
    if (word == "report") {
        std::fputs("sluice: report is a command of the Python package; pip install sluice-cnn\n",
                   stderr);
        return failure;
    }
    std::fprintf(stderr, "sluice: %s; choose classify, run, benchmark or explain\n",
                 argc > 1 ? ("no command '" + std::string(word) + "'").c_str() : "no command");
    return failure;
}
