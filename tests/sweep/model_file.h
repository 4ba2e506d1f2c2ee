#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::sweep {

/// A model's file, gone with this object.
class ModelFile {
public:
    explicit ModelFile(const std::string& bytes)
        : path_(std::filesystem::temp_directory_path() /
                ("sluice_sweep_" + std::to_string(getpid()) + ".onnx")) {
        std::ofstream(path_, std::ios::binary) << bytes;
    }
    ~ModelFile() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }
    ModelFile(const ModelFile&) = delete;
    ModelFile& operator=(const ModelFile&) = delete;
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace sluice::sweep
