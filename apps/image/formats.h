#pragma once

#include <filesystem>
#include <string>

namespace sluice::image {

/// Whether a file is named like an image that decode() reads: its extension, in either case, is one
/// of image_extensions(). A folder's files are chosen so; decode() itself goes by content.
bool has_image_extension(const std::filesystem::path& path);

/// ".jpg, .jpeg, ... or .ppm", for messages.
std::string image_extensions();

}  // namespace sluice::image
