#include "onnx/reader.h"

#include <cerrno>
#include <fstream>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include <google/protobuf/io/zero_copy_stream_impl.h>

#include "onnx.pb.h"
#include "onnx/attributes.h"
#include "onnx/element_type.h"
#include "onnx/liveness.h"
#include "onnx/model_message.h"
#include "onnx/operator_names.h"
#include "onnx/sort.h"
#include "onnx/symbolic_size.h"
#include "onnx/tensor_decoder.h"
#include "onnx/unknown_operator.h"
#include "onnx/upgrade.h"

namespace sluice {

namespace {

constexpr std::int64_t first_opset = 7;
constexpr std::int64_t last_opset = 24;
constexpr int read_block = 1 << 16;
constexpr std::int64_t max_extent = 1 << 24;

/// Of an input of this type; none where Sluice takes no such input.
std::optional<ElementType> activation_type(int type) {
    switch (type) {
        case onnx::TensorProto::FLOAT:
            return ElementType::float32;
        case onnx::TensorProto::UINT8:
            return ElementType::uint8;
        case onnx::TensorProto::INT8:
            return ElementType::int8;
        default:
            return std::nullopt;
    }
}

/// Builds a Graph from a parsed model, part by part, without nodes and initialisers that no output
/// depends on.
class Reader {
public:
    /// Takes the weights out of `message` as it goes.
    Reader(ModelMessage& message, const std::filesystem::path& file,
           const std::optional<ImageSize>& size)
        : model_(message.model),
          raw_(message.raw),
          decoder_(file),
          live_(model_.graph()),
          size_(size) {
        graph_.file = file.string();
    }

    Result<Graph> read() {
        SLUICE_RETURN_IF_ERROR(read_all().in_file(graph_.file));
        return std::move(graph_);
    }

private:
    Status read_all();
    Status read_opset();
    Status read_initializers();
    Status check_sparse_initializers() const;
    Status read_inputs();
    Status read_input(const onnx::ValueInfoProto& info);
    Status check_input_type(const onnx::ValueInfoProto& info, const std::string& label) const;
    Status read_batch(const onnx::TensorShapeProto_Dimension& dimension, const std::string& input,
                      Shape& shape);
    Status declare_outputs();
    Status read_nodes();
    Status check_outputs(const onnx::NodeProto& proto) const;
    Status read_node(onnx::NodeProto& proto, Node& node);
    void read_parts(const onnx::NodeProto& proto, const Node& node);
    Status read_outputs();
    Status add_value(Value value);
    std::string node_name(int index) const;

    onnx::ModelProto& model_;
    std::vector<AlignedMemory>& raw_;  ///< of initialisers
    TensorDecoder decoder_;
    Liveness live_;
    std::optional<ImageSize> size_;                 ///< of inputs that leave theirs symbolic
    std::map<std::string, std::int64_t> sides_;     ///< by the names of symbolic ones
    std::unordered_set<std::string> initializers_;  ///< names of all
    Graph graph_;
    std::unordered_map<std::string, ValueId> ids_;
};

Status Reader::read_all() {
    SLUICE_RETURN_IF_ERROR(read_opset());
    for (const auto& entry : model_.metadata_props()) {
        graph_.metadata[entry.key()] = entry.value();
    }
    SLUICE_RETURN_IF_ERROR(read_initializers());
    SLUICE_RETURN_IF_ERROR(read_inputs());
    SLUICE_RETURN_IF_ERROR(declare_outputs());
    SLUICE_RETURN_IF_ERROR(read_nodes());
    SLUICE_RETURN_IF_ERROR(read_outputs());
    graph_.stored_elements = decoder_.elements();
    return sort_nodes(graph_);
}

Status Reader::add_value(Value value) {
    const std::string name = value.name;
    if (!ids_.emplace(name, ValueId(graph_.values.size())).second) {
        return Status::error("value '" + name + "' is written twice", "export the model again");
    }
    graph_.add_value(std::move(value));
    return {};
}

Status Reader::read_opset() {
    for (const auto& import : model_.opset_import()) {
        if (import.domain().empty() || import.domain() == "ai.onnx") {
            graph_.opset = import.version();
        }
    }
    if (!model_.has_graph() || graph_.opset == 0) {
        return Status::error("is no ONNX model: it has no graph or no opset",
                             "give a file that torch.onnx.export wrote");
    }
    if (graph_.opset < first_opset || graph_.opset > last_opset) {
        return Status::error("is of opset " + std::to_string(graph_.opset),
                             "export with opset_version=17 (7 to 24 are read)");
    }
    return {};
}

Status Reader::check_sparse_initializers() const {
    for (const auto& tensor : model_.graph().sparse_initializer()) {
        if (live_.names.contains(tensor.values().name())) {
            return Status::error("initialiser '" + tensor.values().name() +
                                     "' is sparse, which Sluice does not read",
                                 "export dense weights");
        }
    }
    return {};
}

Status Reader::read_initializers() {
    SLUICE_RETURN_IF_ERROR(check_sparse_initializers());
    for (int index = 0; index < model_.graph().initializer_size(); ++index) {
        onnx::TensorProto& tensor = *model_.mutable_graph()->mutable_initializer(index);
        AlignedMemory raw = std::move(raw_[std::size_t(index)]);
        const std::string name = tensor.name();
        initializers_.insert(name);
        if (!live_.names.contains(name)) {
            onnx::TensorProto().Swap(&tensor);  // clearing would keep its memory
            continue;
        }
        Result<Constant> decoded = decoder_.decode(tensor, std::move(raw));
        if (!decoded.ok()) {
            const Problem& problem = decoded.status().problem();
            return Status::error("initialiser '" + name + "' " + problem.what, problem.remedy);
        }
        Value value;
        value.name = name;
        value.constant = std::make_shared<const Constant>(std::move(decoded).value());
        value.shape = value.constant->shape;
        value.shape_known = true;
        value.type = value.constant->type();
        SLUICE_RETURN_IF_ERROR(add_value(std::move(value)));
    }
    return {};
}

Status Reader::read_inputs() {
    for (const onnx::ValueInfoProto& info : model_.graph().input()) {
        if (!initializers_.contains(info.name())) {  // old exporters list initialisers as inputs
            SLUICE_RETURN_IF_ERROR(read_input(info));
        }
    }
    if (graph_.inputs.empty()) {
        return Status::error("has no inputs", "export a model that takes an image");
    }
    return {};
}

Status Reader::check_input_type(const onnx::ValueInfoProto& info, const std::string& label) const {
    if (!info.type().has_tensor_type()) {
        return Status::error(label + "is no tensor", "export a model that takes float32 tensors");
    }
    const auto& type = info.type().tensor_type();
    if (!activation_type(type.elem_type())) {
        return Status::error(
            label + "is " + element_type_name(type.elem_type()) + ", not float32, uint8 or int8",
            "export it with a float32 input, which the caller converts to");
    }
    if (!type.has_shape()) {
        return Status::error(label + "has no shape", "export it with fixed extents");
    }
    const int rank = type.shape().dim_size();
    if (rank < 2 || rank > int(max_rank)) {
        return Status::error(label + "has rank " + std::to_string(rank) +
                                 (rank < 2 ? ", so that it has no batch" : ""),
                             rank < 2
                                 ? "give it the batch as its first extent"
                                 : "export with at most " + std::to_string(max_rank) + " extents");
    }
    return {};
}

Status Reader::read_input(const onnx::ValueInfoProto& info) {
    const std::string label = "input '" + info.name() + "' ";
    SLUICE_RETURN_IF_ERROR(check_input_type(info, label));
    onnx::TensorShapeProto shape = info.type().tensor_type().shape();
    SLUICE_RETURN_IF_ERROR(fix_size(shape, size_, label, sides_));
    Value value;
    value.name = info.name();
    value.shape_known = true;
    value.type = *activation_type(info.type().tensor_type().elem_type());
    SLUICE_RETURN_IF_ERROR(read_batch(shape.dim(0), label, value.shape));
    for (int axis = 1; axis < shape.dim_size(); ++axis) {
        const std::int64_t extent = shape.dim(axis).dim_value();
        if (extent < 1 || extent > max_extent) {
            return Status::error(label + "has the extent " + std::to_string(extent),
                                 "export with extents from 1 to " + std::to_string(max_extent));
        }
        value.shape.push_back(extent);
    }
    if (const char* fault = shape_fault(value.shape)) {
        return Status::error(label + "is too large: " + to_string(value.shape) + " has " + fault,
                             "export with a smaller image or batch");
    }
    graph_.inputs.push_back(ValueId(graph_.values.size()));
    return add_value(std::move(value));
}

Status Reader::read_batch(const onnx::TensorShapeProto_Dimension& dimension,
                          const std::string& input, Shape& shape) {
    const bool is_symbolic = !dimension.has_dim_value();
    const std::int64_t batch = is_symbolic ? 1 : dimension.dim_value();
    if (batch < 1 || batch > max_extent) {
        return Status::error(input + "has the batch " + std::to_string(batch),
                             "export with a batch of 1 or more, or a symbolic one");
    }
    const bool is_first = graph_.inputs.empty();
    if (!is_first && (is_symbolic != graph_.batch_is_symbolic || batch != graph_.batch ||
                      dimension.dim_param() != graph_.batch_name)) {
        const auto name = [](bool symbolic, const std::string& text, std::int64_t size) {
            return symbolic ? "'" + text + "'" : std::to_string(size);
        };
        return Status::error(input + "has the batch " +
                                 name(is_symbolic, dimension.dim_param(), batch) +
                                 ", and the first input has " +
                                 name(graph_.batch_is_symbolic, graph_.batch_name, graph_.batch),
                             "give all inputs the same first extent");
    }
    graph_.batch = batch;
    graph_.batch_is_symbolic = is_symbolic;
    graph_.batch_name = dimension.dim_param();
    shape.push_back(batch);
    return {};
}

std::string Reader::node_name(int index) const {
    const onnx::NodeProto& proto = model_.graph().node(index);
    return proto.name().empty() ? proto.op_type() + "_" + std::to_string(index) : proto.name();
}

/// Further outputs (masks, indices, running statistics) belong to training.
Status Reader::check_outputs(const onnx::NodeProto& proto) const {
    const bool has_parts = proto.op_type() == "Split";
    for (int index = 1; index < proto.output_size() && !has_parts; ++index) {
        if (live_.names.contains(proto.output(index))) {
            return Status::error("gives '" + proto.output(index) + "', its output " +
                                     std::to_string(index) +
                                     ", which something reads; Sluice computes its first output",
                                 "export a network that reads the first alone");
        }
    }
    return {};
}

Status Reader::declare_outputs() {
    for (int index = 0; index < model_.graph().node_size(); ++index) {
        if (!live_.nodes[std::size_t(index)]) {
            continue;
        }
        const onnx::NodeProto& proto = model_.graph().node(index);
        const std::string label = node_name(index) + " (" + proto.op_type() + ")";
        SLUICE_RETURN_IF_ERROR(check_outputs(proto).at_node(label));
        const int outputs = proto.op_type() == "Split" ? proto.output_size() : 1;
        for (int output = 0; output < outputs; ++output) {
            if (output == 0 || live_.names.contains(proto.output(output))) {
                Value value;
                value.name = proto.output(output);
                SLUICE_RETURN_IF_ERROR(add_value(std::move(value)).at_node(label));
            }
        }
    }
    return {};
}

Status Reader::read_nodes() {
    for (int index = 0; index < model_.graph().node_size(); ++index) {
        if (!live_.nodes[std::size_t(index)]) {
            continue;
        }
        onnx::NodeProto& proto = *model_.mutable_graph()->mutable_node(index);
        Node node;
        node.name = node_name(index);
        SLUICE_RETURN_IF_ERROR(
            read_node(proto, node).at_node(node.name + " (" + proto.op_type() + ")"));
        SLUICE_RETURN_IF_ERROR(upgrade(graph_, node));
        if (node.op == Op::split) {
            read_parts(proto, node);
        } else {
            graph_.nodes.push_back(std::move(node));
        }
    }
    return {};
}

/// A node for each part of a Split that something reads.
void Reader::read_parts(const onnx::NodeProto& proto, const Node& node) {
    for (int part = 0; part < proto.output_size(); ++part) {
        const auto found = ids_.find(proto.output(part));
        if (found == ids_.end() || proto.output(part).empty()) {
            continue;
        }
        Node one = node;
        one.name += part == 0 ? "" : "." + std::to_string(part);
        one.outputs = {found->second};
        one.attributes["part"] = std::int64_t(part);
        one.attributes["parts"] = std::int64_t(proto.output_size());
        graph_.nodes.push_back(std::move(one));
    }
}

Status Reader::read_node(onnx::NodeProto& proto, Node& node) {
    const bool is_standard = proto.domain().empty() || proto.domain() == "ai.onnx";
    const std::optional<Op> op = find_operator(proto.op_type());
    if (!is_standard || !op) {
        return unknown_operator(model_, proto);
    }
    node.op = *op;
    for (const std::string& name : proto.input()) {
        const auto found = ids_.find(name);
        if (!name.empty() && found == ids_.end()) {
            return Status::error(
                "reads '" + name + "', which is no input, no initialiser and no node's output",
                "export the model again");
        }
        node.inputs.push_back(name.empty() ? no_value : found->second);
    }
    node.outputs = {ids_.at(proto.output(0))};
    Result<AttributeMap> attributes = read_attributes(proto, decoder_);
    if (!attributes.ok()) {
        return attributes.status();
    }
    node.attributes = std::move(attributes).value();
    return {};
}

Status Reader::read_outputs() {
    for (const onnx::ValueInfoProto& info : model_.graph().output()) {
        const auto found = ids_.find(info.name());
        if (found == ids_.end()) {
            return Status::error("output '" + info.name() + "' is written by no node",
                                 "export the model again");
        }
        graph_.outputs.push_back(found->second);
    }
    if (graph_.outputs.empty()) {
        return Status::error("has no outputs", "export the model again");
    }
    return {};
}

Result<Graph> parse(google::protobuf::io::ZeroCopyInputStream& stream, std::uintmax_t bytes,
                    const std::filesystem::path& file, const std::optional<ImageSize>& size) {
    ModelMessage message;
    if (!read_message(stream, std::int64_t(bytes), message)) {
        return Status::error("is no ONNX file, or is cut off", "copy or export the model again")
            .in_file(file.string());
    }
    return Reader(message, file, size).read();
}

}  // namespace

Result<Graph> parse_onnx(std::span<const std::byte> bytes, const std::filesystem::path& file) {
    SLUICE_RETURN_IF_ERROR(check_message_size(bytes.size()).in_file(file.string()));
    google::protobuf::io::ArrayInputStream stream(bytes.data(), int(bytes.size()));
    return parse(stream, bytes.size(), file, std::nullopt);
}

Result<Graph> read_onnx(const std::filesystem::path& file, const std::optional<ImageSize>& size) {
    const auto fail = [&](const std::string& what, const char* remedy) {
        return Status::error(what, remedy).in_file(file.string());
    };
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(file, error);
    if (error) {
        return fail("cannot be read: " + error.message(), "check the path");
    }
    SLUICE_RETURN_IF_ERROR(check_message_size(bytes).in_file(file.string()));
    std::ifstream input(file, std::ios::binary);
    if (!input) {
        return errno == ENOMEM ? fail("there is no memory to read it", "close other programs")
                               : fail("cannot be read", "check its permissions");
    }
    // The file is never in memory as a whole: its weights go into the messages piece by piece.
    google::protobuf::io::IstreamInputStream stream(&input, read_block);
    Result<Graph> graph = parse(stream, bytes, file, size);
    if (input.bad()) {
        return fail("cannot be read", "check the disk");
    }
    return graph;
}

}  // namespace sluice
