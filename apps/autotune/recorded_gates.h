#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autotune/workload.h"

namespace sluice::autotune {

/// Of each gated node, by its name, its gate on each image.
using Gates = std::map<std::string, std::vector<std::shared_ptr<const Gate>>>;

/// Runs the network on images and keeps what its gates let through. Returns what it ran on.
Result<std::string> record_gates(const std::filesystem::path& path, const Target& target,
                                 const std::filesystem::path& data, Gates& gates);

/// Gates of which shares are active, at densities 1, 0.5 and 0.2, as if on three images.
Gates draw_gates(const std::vector<GateInfo>& gates);

}  // namespace sluice::autotune
