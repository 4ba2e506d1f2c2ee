#include "run/output_files.h"

#include <unistd.h>

#include <set>
#include <system_error>

namespace sluice::run {
namespace {

constexpr std::size_t longest_name = 200;  // of 255 bytes, so that suffixes fit

std::string to_file_name(const std::string& output) {
    std::string name;
    for (const char c : output.substr(0, longest_name)) {
        const bool fit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                         (c == '.' && !name.empty());  // a leading one hides the file
        name += fit ? c : '_';
    }
    return name.empty() ? "output" : name;
}

Status write_failure(const std::filesystem::path& path, const std::string& what) {
    return Status(Problem{path.string(), {}, what, "name another folder with --output"});
}

/// Files that are removed again unless they are kept.
class Unfinished {
public:
    ~Unfinished() {
        for (const std::filesystem::path& path : paths_) {
            std::error_code code;
            std::filesystem::remove(path, code);
        }
    }
    std::filesystem::path& add(std::filesystem::path path) {
        return paths_.emplace_back(std::move(path));
    }
    void keep() { paths_.clear(); }

private:
    std::vector<std::filesystem::path> paths_;
};

}  // namespace

std::vector<std::string> file_names(const std::vector<std::string>& outputs) {
    std::vector<std::string> names(outputs.size());
    std::set<std::string> taken;
    for (const bool unchanged : {true, false}) {
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            const std::string name = to_file_name(outputs[i]);
            if (!names[i].empty() || (unchanged && name != outputs[i])) {
                continue;
            }
            std::string candidate = name;
            for (int copy = 2; taken.contains(candidate); ++copy) {
                candidate = name + "_" + std::to_string(copy);
            }
            if (!unchanged || candidate == name) {
                taken.insert(candidate);
                names[i] = candidate;
            }
        }
    }
    return names;
}

Result<std::vector<std::filesystem::path>> write_outputs(const std::filesystem::path& folder,
                                                         const std::vector<std::string>& outputs,
                                                         const std::vector<npy::Array>& arrays) {
    std::error_code code;
    std::filesystem::create_directories(folder, code);
    if (code) {
        return write_failure(folder, "cannot be made: " + code.message());
    }
    // The process id keeps two programs that write the same folder out of each other's way.
    const std::string suffix = ".part" + std::to_string(::getpid());
    std::vector<std::filesystem::path> paths;
    Unfinished unfinished;
    for (const std::string& name : file_names(outputs)) {
        paths.push_back(folder / (name + ".npy"));
        const std::size_t i = paths.size() - 1;
        SLUICE_RETURN_IF_ERROR(npy::write(unfinished.add(paths[i].string() + suffix), arrays[i]));
    }
    for (const std::filesystem::path& path : paths) {
        std::filesystem::rename(path.string() + suffix, path, code);
        if (code) {
            return write_failure(path, "cannot be written: " + code.message());
        }
        unfinished.add(path);
    }
    unfinished.keep();
    return paths;
}

}  // namespace sluice::run
