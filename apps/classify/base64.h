#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace sluice::classify {

/// As RFC 4648 defines it, with padding.
std::string to_base64(std::span<const std::uint8_t> bytes);

}  // namespace sluice::classify
