#include "onnx/symbolic_size.h"

#include <utility>

#include "onnx.pb.h"

namespace sluice {
namespace {

constexpr int image_rank = 4;
constexpr int height_axis = 2;
constexpr int width_axis = 3;

bool is_symbolic(const onnx::TensorShapeProto& shape, int axis) {
    return !shape.dim(axis).has_dim_value();
}

std::string describe_extent(const onnx::TensorShapeProto& shape, int axis) {
    const std::string& name = shape.dim(axis).dim_param();
    return (name.empty() ? "an unnamed one" : "'" + name + "'") + " (axis " + std::to_string(axis) +
           ")";
}

/// Those of the extents from `first` on; empty where all are fixed.
std::string symbolic_extents(const onnx::TensorShapeProto& shape, int first) {
    std::string symbolic;
    for (int axis = first; axis < shape.dim_size(); ++axis) {
        if (is_symbolic(shape, axis)) {
            symbolic += (symbolic.empty() ? "" : ", ") + describe_extent(shape, axis);
        }
    }
    return symbolic;
}

}  // namespace

Status fix_size(onnx::TensorShapeProto& shape, const std::optional<ImageSize>& size,
                const std::string& label, std::map<std::string, std::int64_t>& names) {
    const bool is_image = shape.dim_size() == image_rank && !is_symbolic(shape, 1);
    const std::string symbolic = symbolic_extents(shape, 1);
    if (symbolic.empty()) {
        return {};
    }
    if (!is_image) {
        return Status::error(label + "has symbolic extents: " + symbolic,
                             "export with fixed ones; the batch, and height and width of an input "
                             "[N, C, H, W], may be symbolic");
    }
    if (!size) {
        return Status::error(label + "has symbolic extents: " + symbolic,
                             "give the height and width (--size HxW, ModelOptions::size), or "
                             "export with fixed ones");
    }
    for (const auto& [axis, extent] :
         {std::pair(height_axis, size->height), std::pair(width_axis, size->width)}) {
        if (!is_symbolic(shape, axis)) {
            continue;
        }
        const std::string& name = shape.dim(axis).dim_param();
        if (!name.empty() && names.try_emplace(name, extent).first->second != extent) {
            return Status::error(label + "has another side named '" + name + "', and " +
                                     std::to_string(size->height) + "x" +
                                     std::to_string(size->width) + " is asked for",
                                 "give a square size");
        }
        shape.mutable_dim(axis)->set_dim_value(extent);
    }
    return {};
}

}  // namespace sluice
