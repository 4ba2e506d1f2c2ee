#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/npy.h"
#include "sluice/status.h"
#include "sluice/tensor.h"

namespace sluice::run {

/// The file given for each of a model's inputs or outputs; none where none is.
using Files = std::vector<std::optional<std::filesystem::path>>;

/// Shares the words of a command line, each "FILE" or "NAME=FILE", out among `tensors`: those with
/// a name to the tensor that has it, the others in order to those that are left. `option` is named
/// in failures.
Result<Files> share_out(const std::vector<std::string>& words,
                        const std::vector<TensorInfo>& tensors, const std::string& option);

/// Sizes of the symbolic extents, by name.
using Extents = std::map<std::string, std::int64_t>;

/// Learns the symbolic extents from a tensor's shape. Fails where a fixed extent differs, or one
/// that another tensor has set.
Status learn_extents(const TensorInfo& info, const std::vector<std::int64_t>& shape,
                     Extents& extents);

/// The tensor's shape with its symbolic extents filled in; 1 for those that no tensor has set.
std::vector<std::int64_t> shape_of(const TensorInfo& info, const Extents& extents);

/// "'x' [N, 3, 32, 32]", symbolic extents by their names.
std::string describe(const TensorInfo& info);
/// All of them, separated by commas.
std::string describe(const std::vector<TensorInfo>& tensors);
/// "[1, 3, 32, 32]".
std::string describe(const std::vector<std::int64_t>& shape);

}  // namespace sluice::run
