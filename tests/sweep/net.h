#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "reference/operators.h"
#include "sweep/random.h"

namespace sluice::sweep {

using reference::Tensor;

/// An ONNX graph under construction. Every value is computed at once by the scalar reference, so
/// that what comes next can be drawn to suit it: a gate's bias by the density that it is to have.
class Net {
public:
    /// `is_symbolic`: the batch is symbolic in the model, and `batch` is that of the run.
    Net(Random& random, std::int64_t batch, bool is_symbolic);

    /// A graph input of random values; [batch, extents...].
    ValueId input(const Shape& extents);
    /// A graph input of these values, floats or bytes.
    ValueId input(Tensor values, ElementType type);
    ValueId constant(const Shape& shape, std::vector<float> values);
    ValueId constant(const Shape& shape, float low, float high);
    ValueId scalar(float value) { return constant({}, {value}); }
    ValueId ints(const Shape& numbers);
    /// Numbers of int8, uint8, or int64, which the file has as int32.
    ValueId integers(const Shape& shape, const std::vector<int>& numbers, ElementType type);
    /// `onnx_name`: the operator's name in the file where it is not that of `op`.
    ValueId node(Op op, std::vector<ValueId> inputs, AttributeMap attributes = {},
                 const std::string& onnx_name = {});
    void output(ValueId id);

    const Shape& shape(ValueId id) const { return graph.values[std::size_t(id)].shape; }
    const Tensor& value(ValueId id) const { return values_.at(id); }
    float largest(ValueId id) const;
    bool is_output(ValueId id) const;
    const std::string& onnx_name(std::size_t node) const { return onnx_names_[node]; }
    std::int64_t batch() const { return graph.batch; }
    /// Whether rounding, a float's or Winograd's, stays far below the criterion in all outputs. It
    /// does not where large values cancel, or where a clamp leaves only a small part of them.
    bool is_well_conditioned() const;
    /// A line per node: operator, shapes, attributes.
    std::string description() const;
    /// Serialised as an ONNX model.
    std::string model() const;

    Random& random;
    Graph graph;

private:
    ValueId add(const std::string& name, const std::optional<Shape>& shape, ElementType type);
    double rounding_of(const Node& node) const;

    std::vector<std::string> onnx_names_;  ///< of the nodes
    std::map<ValueId, Tensor> values_;
    std::map<ValueId, double> rounding_;  ///< the error to expect, about; 0 where absent
};

}  // namespace sluice::sweep
