// A harness of libFuzzer: the bytes of an ONNX file. It is loaded, and run where it is small.

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "fuzz/guarded_memory.h"
#include "sluice/model.h"
#include "sluice/session.h"

namespace {

using namespace sluice;

// Kernels that check each access are slow: what takes more is loaded only.
constexpr std::int64_t most_macs = 5'000'000;
constexpr std::int64_t most_elements = 1 << 18;
constexpr std::size_t most_bytes = std::size_t{1} << 25;
constexpr std::int64_t batch = 2;

/// In memory where the system has such a folder: a fuzzer writes it thousands of times per second.
std::string model_file() {
    const char* const folder = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    return std::string(folder) + "/sluice_fuzz_model." + std::to_string(::getpid()) + ".onnx";
}

void fail(const std::string& what) {
    std::fprintf(stderr, "fuzz_model: %s\n", what.c_str());
    std::abort();
}

void check_message(const Status& status, const std::string& file) {
    const std::string message = status.message();
    if (message.rfind(file, 0) != 0 || message.find('\n') != std::string::npos ||
        status.problem().remedy.empty()) {
        fail("a refusal is one line that names the file and a remedy: " + message);
    }
}

struct Tensor {
    std::vector<std::int64_t> shape;
    std::vector<float> values;
};

/// Tensors of the infos' shapes; none where they are too large to run.
bool make_tensors(const std::vector<TensorInfo>& infos, std::vector<Tensor>& tensors) {
    for (const TensorInfo& info : infos) {
        Tensor& tensor = tensors.emplace_back();
        std::int64_t elements = 1;
        for (const Dimension& dimension : info.shape) {
            tensor.shape.push_back(dimension.size < 0 ? batch : dimension.size);
            elements *= tensor.shape.back();
            if (elements > most_elements) {
                return false;
            }
        }
        tensor.values.resize(std::size_t(elements));
    }
    return true;
}

/// Zeros, then random numbers, then those with NaN and with infinity among them.
void fill(std::vector<Tensor>& inputs, int round) {
    std::uint32_t state = 1;
    for (Tensor& input : inputs) {
        for (float& value : input.values) {
            state = state * 1664525u + 1013904223u;
            value = round == 0 ? 0.0f : float(std::int32_t(state)) * 0x1p-30f;
            if (round > 1 && state >> 28 == 0) {
                value = round == 2 ? std::numeric_limits<float>::quiet_NaN()
                                   : std::numeric_limits<float>::infinity();
            }
        }
    }
}

void run(const Model& model, const std::string& file) {
    std::vector<Tensor> inputs, outputs;
    if (batch * (model.macs() + model.lccl_macs()) > most_macs ||
        !make_tensors(model.inputs(), inputs) || !make_tensors(model.outputs(), outputs)) {
        return;
    }
    Result<Session> session = Session::create(model, {.record_gates = true});
    if (!session.ok()) {
        check_message(session.status(), file);
        return;
    }
    std::vector<TensorView> from;
    std::vector<MutableTensorView> to;
    for (const Tensor& input : inputs) {
        from.push_back({input.values.data(), input.shape});
    }
    for (Tensor& output : outputs) {
        to.push_back({output.values.data(), output.shape});
    }
    for (int round = 0; round < 4; ++round) {
        fill(inputs, round);
        if (const Status status = session->run(from, to); !status.ok()) {
            check_message(status, file);
            return;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::string file = model_file();
    fuzz::set_allocation_policy({fuzz::Guard::at_end, most_bytes});
    std::ofstream(file, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(data), std::streamsize(size));
    const Result<Model> model = Model::load(file);
    std::filesystem::remove(file);
    if (!model.ok()) {
        check_message(model.status(), file);
        return 0;
    }
    if (model->explain().empty()) {
        fail("explain() is empty");
    }
    run(model.value(), file);
    return 0;
}
