#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sluice/model.h"
#include "sluice/status.h"

namespace sluice::benchmark {

/// What all engines compute on: float32 [pictures, channels, height, width].
struct Inputs {
    std::vector<std::int64_t> shape;  ///< of one picture
    std::int64_t pictures = 0;        ///< a multiple of the batch
    std::string source;               ///< "pictures" or "random normal"
    std::vector<float> values;
};

/// Where workers find the values.
struct InputFile {
    std::string path;
    std::vector<std::int64_t> shape;
    std::int64_t pictures = 0;
};

/// Pictures of `folder`, evenly spread over its names, for a model whose metadata say how to
/// normalise them; for others, and without a folder, normally distributed values of a fixed seed.
/// As many as some megabytes hold, and at least one batch.
Result<Inputs> make_inputs(const Model& model, const std::optional<std::filesystem::path>& folder,
                           int batch);

/// A folder of temporary files that goes with this object.
class TemporaryFolder {
public:
    static Result<TemporaryFolder> create();
    TemporaryFolder(TemporaryFolder&& other) noexcept;
    TemporaryFolder& operator=(TemporaryFolder&&) = delete;
    ~TemporaryFolder();
    const std::filesystem::path& path() const { return path_; }

private:
    explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}
    std::filesystem::path path_;
};

Result<InputFile> write_inputs(const Inputs& inputs, const std::filesystem::path& path);
/// The values of a file that write_inputs wrote.
Result<std::vector<float>> read_inputs(const InputFile& file);

}  // namespace sluice::benchmark
