#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "graph/graph.h"
#include "plan/step.h"

namespace sluice {

/// Where one image of a value lies. Images [C, H, W] are NHWC with a channel stride and a halo of
/// zeros, of quantised values their zero point; everything else is dense and row-major. The halo
/// holds the padding of every convolution that reads the value, itself or through an alias, and
/// between the channels and the channel stride lie zeros or what the writer makes of zeros, of
/// quantised values anything: check_conv holds a layout against its reader.
struct Layout {
    Memory memory = Memory::arena;
    int index = 0;            ///< of the block
    std::int64_t origin = 0;  ///< elements from the block's start to the first of the value
    ElementType type = ElementType::float32;
    std::uint8_t zero = 0;                ///< what the halo's bytes hold: the zero point
    std::vector<Axis> axes;               ///< of one image, in ONNX order
    std::int64_t halo[4] = {0, 0, 0, 0};  ///< top, left, bottom, right, in pixels

    bool is_image() const { return axes.size() == 3; }
    std::int64_t channels() const { return axes[0].extent; }
    std::int64_t height() const { return axes[1].extent; }
    std::int64_t width() const { return axes[2].extent; }
    std::int64_t row_stride() const { return axes[1].stride; }
    std::int64_t channel_stride() const { return axes[2].stride; }
};

/// An element type as kernels name it.
halide_type_t halide_type(ElementType type);
/// Bytes of an element.
inline std::int64_t bytes_of(ElementType type) { return halide_type(type).bytes(); }

/// Row-major without gaps.
std::vector<Axis> dense_axes(const Shape& shape);
/// A value's elements as a buffer with axes in ONNX order.
Buffer view(const Layout& layout);
/// An image as generators see it: (c, x, y) with `channels` of each pixel.
Buffer pixels(const Layout& layout, std::int64_t channels);
/// Channels first .. first + count of a buffer (channel, ...).
Buffer from_channel(Buffer buffer, std::int64_t first, std::int64_t count);
/// Entry `index` of a buffer of counts, by itself.
Buffer entry_of(Buffer counts, std::int64_t index);

/// Whether the node's output is its input, halo and all.
inline bool is_alias(const Node& node) { return node.op == Op::identity || node.op == Op::cast; }

}  // namespace sluice
