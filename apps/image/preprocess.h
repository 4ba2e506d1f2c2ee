#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "image/image.h"
#include "sluice/status.h"

namespace sluice::image {

/// How a network wants its images. The mean and deviation are of samples divided by 255.
struct Preprocessing {
    std::array<float, 3> mean = {0.0f, 0.0f, 0.0f};
    std::array<float, 3> deviation = {1.0f, 1.0f, 1.0f};
    /// The shorter side before the centre crop; none: the image is resized to the input size.
    std::optional<int> shorter_side;
    Interpolation interpolation = Interpolation::bilinear;
};

/// Reads "sluice.mean", "sluice.std" (JSON arrays of three numbers), "sluice.resize_shorter_side"
/// (a JSON integer) and "sluice.interpolation" (a JSON string); absent ones keep their defaults.
Result<Preprocessing> read_preprocessing(const std::map<std::string, std::string>& metadata);

/// "bilinear" or "bicubic"; none for any other word.
std::optional<Interpolation> parse_interpolation(const std::string& word);

/// Class names of "sluice.labels" (a JSON array of strings); empty where it is absent.
Result<std::vector<std::string>> read_labels(const std::map<std::string, std::string>& metadata);

/// The image at the network's input size, as torchvision makes it. Without a shorter side it is
/// resized to that size. With one it goes through Resize(shorter_side), whatever size it has, and
/// CenterCrop((height, width)), which pads with zeros what is smaller. The crop itself must be of
/// at most max_pixels. Fails for an image that is too long and narrow, and without memory.
Result<Image> fit(const Image& image, const Preprocessing& preprocessing, int width, int height);

/// Normalises into `nchw` ([1, 3, height, width], RGB), which must have the image's size.
void to_nchw(const Image& image, const Preprocessing& preprocessing, std::span<float> nchw);
/// The samples as they are, likewise.
void to_nchw(const Image& image, std::span<std::uint8_t> nchw);

}  // namespace sluice::image
