#pragma once

#include "graph/graph.h"
#include "onnx/external_data.h"

namespace sluice {

/// Decodes the tensors of one model.
class TensorDecoder {
public:
    /// External data is read from the folder of `model_file`.
    explicit TensorDecoder(const std::filesystem::path& model_file) : external_(model_file) {}

    /// Float, float16, bfloat16 and double become float32; int64, int32 and bool become int64; int8
    /// and uint8 stay so. What the tensor holds is freed. `raw` is its raw data where the tensor
    /// does not hold that itself; floats and bytes stay where they are.
    Result<Constant> decode(onnx::TensorProto& tensor, AlignedMemory raw = {});

    /// Of all tensors that were decoded.
    std::int64_t elements() const { return elements_; }

private:
    Status fill(const onnx::TensorProto& tensor, AlignedMemory raw, std::int64_t count,
                Constant& result);

    ExternalData external_;
    std::int64_t elements_ = 0;
};

}  // namespace sluice
