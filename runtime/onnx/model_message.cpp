#include "onnx/model_message.h"

#include <string>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include "graph/floats.h"

namespace sluice {
namespace {

using google::protobuf::MessageLite;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::StringOutputStream;

/// Bytes of raw data that are worth memory of their own.
constexpr int large = 1 << 12;

constexpr std::uint32_t tag_of(int field) {
    return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

/// What became of a field.
enum class Field { ordinary, taken, broken };

/// Reads fields up to the next limit: those that `take(tag)` calls ordinary go to `message`.
template <typename Take>
bool read_fields(CodedInputStream& input, MessageLite& message, Take take) {
    std::string ordinary;
    {
        StringOutputStream stream(&ordinary);
        CodedOutputStream output(&stream);
        while (const std::uint32_t tag = input.ReadTag()) {
            const Field field = take(tag);
            if (field == Field::broken ||
                (field == Field::ordinary && !WireFormatLite::SkipField(&input, tag, &output))) {
                return false;
            }
        }
    }
    return input.ConsumedEntireMessage() && input.BytesUntilLimit() == 0 &&
           message.MergeFromString(ordinary);
}

/// The length of a field that fits before the next limit; -1 where it does not.
int read_length(CodedInputStream& input) {
    int length = 0;
    return input.ReadVarintSizeAsInt(&length) && length <= input.BytesUntilLimit() ? length : -1;
}

/// Reads a field that is a message: `read` reads up to its end.
template <typename Read>
Field read_inside(CodedInputStream& input, Read read) {
    const int length = read_length(input);
    if (length < 0) {
        return Field::broken;
    }
    const CodedInputStream::Limit outer = input.PushLimit(length);
    const bool is_read = read();
    input.PopLimit(outer);
    return is_read ? Field::taken : Field::broken;
}

/// Of several raw data the last count.
Field read_raw(CodedInputStream& input, onnx::TensorProto& tensor, AlignedMemory& raw) {
    const int length = read_length(input);
    raw = {};
    tensor.clear_raw_data();
    if (length < large) {
        const bool is_read = length >= 0 && input.ReadString(tensor.mutable_raw_data(), length);
        return is_read ? Field::taken : Field::broken;
    }
    raw = memory_of(std::size_t(length));
    return input.ReadRaw(raw.data(), length) ? Field::taken : Field::broken;
}

bool read_tensor(CodedInputStream& input, onnx::TensorProto& tensor, AlignedMemory& raw) {
    return read_fields(input, tensor, [&](std::uint32_t tag) {
        return tag == tag_of(onnx::TensorProto::kRawDataFieldNumber) ? read_raw(input, tensor, raw)
                                                                     : Field::ordinary;
    });
}

/// A node at a time: a Constant may hold weights, and all of them need not be there twice.
Field read_node(CodedInputStream& input, onnx::NodeProto& node) {
    std::string bytes;
    const int length = read_length(input);
    const bool is_read = length >= 0 && input.ReadString(&bytes, length);
    return is_read && node.ParseFromString(bytes) ? Field::taken : Field::broken;
}

bool read_graph(CodedInputStream& input, onnx::GraphProto& graph, std::vector<AlignedMemory>& raw) {
    return read_fields(input, graph, [&](std::uint32_t tag) {
        switch (tag) {
            case tag_of(onnx::GraphProto::kInitializerFieldNumber):
                return read_inside(input, [&] {
                    return read_tensor(input, *graph.add_initializer(), raw.emplace_back());
                });
            case tag_of(onnx::GraphProto::kNodeFieldNumber):
                return read_node(input, *graph.add_node());
            default:
                return Field::ordinary;
        }
    });
}

}  // namespace

Status check_message_size(std::uintmax_t size) {
    constexpr std::uintmax_t most = (std::uintmax_t(1) << 31) - 1;
    if (size == 0) {
        return Status::error("is empty", "copy the model again");
    }
    if (size > most) {
        return Status::error("is larger than 2 GB", "export with external data");
    }
    return {};
}

bool read_message(google::protobuf::io::ZeroCopyInputStream& stream, std::int64_t size,
                  ModelMessage& message) {
    CodedInputStream input(&stream);
    input.PushLimit(int(size));
    return read_fields(input, message.model, [&](std::uint32_t tag) {
        if (tag != tag_of(onnx::ModelProto::kGraphFieldNumber)) {
            return Field::ordinary;
        }
        onnx::GraphProto& graph = *message.model.mutable_graph();
        return read_inside(input, [&] { return read_graph(input, graph, message.raw); });
    });
}

}  // namespace sluice
