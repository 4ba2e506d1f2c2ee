#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/npy.h"
#include "image/preprocess.h"
#include "sluice/status.h"
#include "sluice/tensor.h"

namespace sluice::run {

/// The image as the input takes it: fitted to its size and normalised, [1, 3, height, width]; of
/// uint8 the samples as they are. Fails for inputs that take no colour image.
Result<npy::Array> read_image(const std::filesystem::path& path, const TensorInfo& input,
                              const image::Preprocessing& preprocessing);

/// The height and width of the first of the files, each "FILE" or "NAME=FILE", that is a tensor of
/// four extents; none where none is, or it cannot be read.
std::optional<ImageSize> size_of_first_tensor(const std::vector<std::string>& words);

}  // namespace sluice::run
