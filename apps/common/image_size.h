#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "sluice/status.h"
#include "sluice/tensor.h"

namespace sluice::apps {

/// --size, bound to `text`: the height and width of inputs that leave them symbolic.
void add_size_option(CLI::App& app, std::optional<std::string>& text);
/// Of "224x224"; where there is no text `size` stays as it is.
Status read_size(const std::optional<std::string>& text, std::optional<ImageSize>& size);

/// Fails where a size is asked for that no input has, because the file fixes another.
Status check_size(const std::vector<TensorInfo>& inputs, const std::optional<ImageSize>& size);

/// "224x224".
std::string to_text(const ImageSize& size);

}  // namespace sluice::apps
