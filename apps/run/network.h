#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/npy.h"
#include "image/preprocess.h"
#include "run/bind.h"
#include "run/integer_values.h"
#include "sluice/session.h"

namespace sluice::run {

/// What inputs without a file hold; where it is neither, each needs a file.
struct Fill {
    std::optional<std::uint32_t> seed;  ///< random, see Uniform
    bool zeros = false;
};

/// A model, a session of it, and memory for its inputs and outputs.
class Network {
public:
    /// Of an ONNX file; see SessionOptions::threads.
    static Result<Network> load(const std::filesystem::path& file, const ModelOptions& options,
                                int threads);

    const Model& model() const { return model_; }

    /// Reads a file for each input, a tensor or an image, or fills it with elements of its type. A
    /// symbolic batch is that of the files; 1 where no file gives one.
    Status read_inputs(const Files& files, const Fill& fill,
                       const image::Preprocessing& preprocessing);
    /// Runs on those inputs. Floats that the run leaves unwritten are NaN.
    Status run();

    const std::vector<npy::Array>& inputs() const { return inputs_; }
    const std::vector<npy::Array>& outputs() const { return outputs_; }  ///< after run()

private:
    Network(Model model, Session session, std::string file);

    Model model_;
    Session session_;
    std::string file_;
    std::vector<npy::Array> inputs_;
    std::vector<npy::Array> outputs_;
    /// Of each input and output whose elements are no floats; else empty.
    std::vector<IntegerValues> integer_inputs_, integer_outputs_;
};

}  // namespace sluice::run
