#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "sluice/status.h"

namespace sluice::onnx {
class TensorProto;
}

namespace sluice {

/// The files beside a model that hold the data of its tensors.
class ExternalData {
public:
    explicit ExternalData(const std::filesystem::path& model_file);

    /// The stream at the first of the `size` bytes of a tensor, all of which the file has; valid
    /// until the next call. Fails on a file outside the model's folder, also through symbolic
    /// links, and on one whose tensors take several times what it holds.
    Result<std::ifstream*> open(const onnx::TensorProto& tensor, std::int64_t size);

private:
    struct File {
        std::string path;
        std::uint64_t size = 0;
        std::uint64_t taken = 0;  ///< bytes, by all tensors so far
    };
    Result<File*> find(const std::string& location);

    std::filesystem::path folder_;
    std::map<std::string, std::string> paths_;  ///< canonical ones, of locations
    std::map<std::string, File> files_;         ///< of canonical paths
    const File* opened_ = nullptr;
    std::ifstream stream_;
};

}  // namespace sluice
