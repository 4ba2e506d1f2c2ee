// Stands in for libFuzzer's main: gives a harness every file named, and those in the folders named.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

/// Of processor time, what any file under 1 MB may take.
constexpr double most_seconds = 5;

std::vector<std::filesystem::path> files_of(int count, char** arguments) {
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < count; ++i) {
        if (!std::filesystem::is_directory(arguments[i])) {
            files.emplace_back(arguments[i]);
            continue;
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[i])) {
            if (entry.is_regular_file()) {
                files.push_back(entry.path());
            }
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

int main(int count, char** arguments) {
    const std::vector<std::filesystem::path> files = files_of(count, arguments);
    int slow = 0;
    for (const std::filesystem::path& path : files) {
        std::printf("%s\n", path.c_str());
        std::fflush(stdout);  // the last line names the file that crashes
        std::ifstream stream(path, std::ios::binary);
        // A copy of the exact size: a sanitizer sees a read past its end.
        const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
        const std::clock_t start = std::clock();
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
        const double taken = double(std::clock() - start) / CLOCKS_PER_SEC;
        if (taken > most_seconds) {
            std::printf("  took %.1f s\n", taken);
            ++slow;
        }
    }
    std::printf("%zu files, %d of them over %.0f s\n", files.size(), slow, most_seconds);
    return files.empty() || slow > 0 ? 1 : 0;
}
