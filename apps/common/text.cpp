#include "common/text.h"

#include <algorithm>

namespace sluice::apps {
namespace {

// Bytes of the UTF-8 sequence that `text` begins with; 0 where it begins with none (RFC 3629: no
// overlong forms, no surrogates, nothing above U+10FFFF).
std::size_t sequence_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    const unsigned lead = byte(0);
    if (lead < 0x80) {
        return 1;
    }
    const std::size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                               : lead >= 0xe0 && lead <= 0xef ? 3
                               : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                              : 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) {
            return 0;
        }
    }
    const unsigned second = byte(1);
    const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    const bool beyond = (lead == 0xed && second > 0x9f) || (lead == 0xf4 && second > 0x8f);
    return overlong || beyond ? 0 : length;
}

bool is_control(std::string_view sequence) {
    const auto first = static_cast<unsigned char>(sequence[0]);
    const bool c1 =
        sequence.size() == 2 && first == 0xc2 && static_cast<unsigned char>(sequence[1]) < 0xa0;
    return first < 0x20 || first == 0x7f || c1;
}

std::string spaces(std::string_view text, std::size_t width) {
    return std::string(width - std::min(width, count_columns(text)), ' ');
}

}  // namespace

std::string to_printable(std::string_view text) {
    std::string printable;
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        if (length == 0) {
            printable += "\xef\xbf\xbd";
        } else {
            const std::string_view sequence = text.substr(0, length);
            printable += is_control(sequence) ? "?" : sequence;
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return printable;
}

std::size_t count_columns(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
    }));
}

std::string pad_right(std::string_view text, std::size_t width) {
    return std::string(text) + spaces(text, width);
}

std::string pad_left(std::string_view text, std::size_t width) {
    return spaces(text, width) + std::string(text);
}

}  // namespace sluice::apps
