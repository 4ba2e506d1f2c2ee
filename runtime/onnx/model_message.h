#pragma once

#include <cstdint>
#include <vector>

#include "graph/aligned.h"
#include "onnx.pb.h"

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

/// Whether a stream of `size` bytes is a model. Throws std::bad_alloc where there is no memory.
bool read_message(google::protobuf::io::ZeroCopyInputStream& stream, std::int64_t size,
                  ModelMessage& message);

}  // namespace sluice
