#include "benchmark/input_file.h"

#include <cstring>
#include <span>

#include "image/files.h"

namespace sluice::benchmark {

Result<InputFile> write_inputs(const apps::Inputs& inputs, const std::filesystem::path& path) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(inputs.values.data());
    SLUICE_RETURN_IF_ERROR(
        image::write_file(path, std::span(bytes, inputs.values.size() * sizeof(float))));
    return InputFile{path.string(), inputs.shape, inputs.images};
}

Result<std::vector<float>> read_inputs(const InputFile& file) {
    const Result<std::vector<std::uint8_t>> bytes = image::read_file(file.path);
    if (!bytes.ok()) {
        return bytes.status();
    }
    std::size_t count = static_cast<std::size_t>(file.images);
    for (const std::int64_t extent : file.shape) {
        count *= static_cast<std::size_t>(extent);
    }
    if (bytes.value().size() != count * sizeof(float)) {
        return Status(Problem{file.path, {}, "has not the size of its shape", "run it again"});
    }
    std::vector<float> values(count);
    std::memcpy(values.data(), bytes.value().data(), bytes.value().size());
    return values;
}

}  // namespace sluice::benchmark
