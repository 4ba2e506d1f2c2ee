#pragma once

#include <cstdint>
#include <vector>

#include "graph/aligned.h"
#include "onnx.pb.h"
#include "sluice/status.h"

namespace google::protobuf::io {
class ZeroCopyInputStream;
}

namespace sluice {

/// A parsed model. Raw data of initialisers stand beside it, because protobuf would copy them into
/// strings that grow and that nothing aligns.
struct ModelMessage {
    onnx::ModelProto model;
    /// Of each initialiser, exactly its raw data; null data() where the initialiser holds them.
    std::vector<AlignedMemory> raw;
};

/// Fails on a size that no model has, or that protobuf does not read.
Status check_message_size(std::uintmax_t size);

/// Whether a stream of `size` bytes, which check_message_size has let pass, is a model. Throws
/// std::bad_alloc where there is no memory.
bool read_message(google::protobuf::io::ZeroCopyInputStream& stream, std::int64_t size,
                  ModelMessage& message);

}  // namespace sluice
