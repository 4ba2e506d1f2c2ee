#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "sluice/model.h"
#include "sluice/session.h"

/// Weights of several megabytes, which are packed by many threads and given back meanwhile, against
/// sums in double.
namespace {

using namespace sluice;
using Values = std::vector<float>;
using Extents = std::vector<std::int64_t>;

Values drawn(std::size_t count, unsigned seed) {
    std::mt19937 rng(seed);
    std::uniform_real_distribution<float> draw(-1, 1);
    Values values(count);
    std::generate(values.begin(), values.end(), [&] { return draw(rng); });
    return values;
}

class Writer {
public:
    explicit Writer(const Extents& x) {
        model_.set_ir_version(8);
        model_.add_opset_import()->set_version(17);
        auto& input = *graph().add_input();
        input.set_name("x");
        auto& type = *input.mutable_type()->mutable_tensor_type();
        type.set_elem_type(onnx::TensorProto::FLOAT);
        for (const std::int64_t extent : x) {
            type.mutable_shape()->add_dim()->set_dim_value(extent);
        }
    }
    std::string weights(const Extents& shape, const Values& values) {
        onnx::TensorProto& tensor = *graph().add_initializer();
        tensor.set_name("w" + std::to_string(graph().initializer_size()));
        tensor.set_data_type(onnx::TensorProto::FLOAT);
        tensor.mutable_dims()->Assign(shape.begin(), shape.end());
        tensor.set_raw_data(values.data(), values.size() * sizeof(float));
        return tensor.name();
    }
    onnx::NodeProto& node(const std::string& op, const std::vector<std::string>& inputs) {
        onnx::NodeProto& node = *graph().add_node();
        node.set_op_type(op);
        for (const std::string& name : inputs) {
            node.add_input(name);
        }
        node.add_output("v" + std::to_string(graph().node_size()));
        return node;
    }
    std::string gemm(const std::string& x, const std::string& weights, bool turned) {
        onnx::NodeProto& gemm = node("Gemm", {x, weights});
        onnx::AttributeProto& a = *gemm.add_attribute();
        a.set_name("transB");
        a.set_type(onnx::AttributeProto::INT);
        a.set_i(turned);
        return gemm.output(0);
    }
    void output(const std::string& name) { graph().add_output()->set_name(name); }

    /// Of one input and one output.
    Values run(const Extents& x_shape, const Values& x, const Extents& y_shape) const {
        const auto file = std::filesystem::temp_directory_path() /
                          ("sluice_weights_" + std::to_string(::getpid()) + ".onnx");
        std::ofstream(file, std::ios::binary) << model_.SerializeAsString();
        const Result<Model> model = Model::load(file);
        std::filesystem::remove(file);
        INFO(model.status().message());
        REQUIRE(model.ok());
        Result<Session> session = Session::create(model.value());
        REQUIRE(session.ok());
        std::size_t count = 1;
        for (const std::int64_t extent : y_shape) {
            count *= std::size_t(extent);
        }
        Values y(count);
        const TensorView input{x.data(), x_shape};
        const MutableTensorView output{y.data(), y_shape};
        REQUIRE(session->run({&input, 1}, {&output, 1}).ok());
        return y;
    }

private:
    onnx::GraphProto& graph() { return *model_.mutable_graph(); }

    onnx::ModelProto model_;
};

/// x times weights [outputs, inputs], or [inputs, outputs] where not turned.
std::vector<double> product(const std::vector<double>& x, const Values& weights,
                            std::size_t outputs, bool turned) {
    std::vector<double> y(outputs);
    for (std::size_t o = 0; o < outputs; ++o) {
        for (std::size_t i = 0; i < x.size(); ++i) {
            y[o] += x[i] * double(weights[turned ? o * x.size() + i : i * outputs + o]);
        }
    }
    return y;
}

void check_close(const Values& got, const std::vector<double>& want) {
    REQUIRE(got.size() == want.size());
    double largest = 0, worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const double error = std::abs(double(got[i]) - want[i]);
        worst = std::isfinite(error) ? std::max(worst, error) : INFINITY;
        largest = std::max(largest, std::abs(want[i]));
    }
    CHECK(worst <= 1e-5 * largest);
}

}  // namespace

TEST_CASE("large linear layers of both orders, whose rows no vector divides") {
    constexpr std::size_t inputs = 1231, outputs = 1103;
    for (const bool turned : {true, false}) {
        INFO((turned ? "[outputs, inputs]" : "[inputs, outputs]"));
        const Values x = drawn(inputs, 1), values = drawn(inputs * outputs, 2);
        Writer w({1, inputs});
        const Extents shape = turned ? Extents{outputs, inputs} : Extents{inputs, outputs};
        w.output(w.gemm("x", w.weights(shape, values), turned));
        check_close(w.run({1, inputs}, x, {1, outputs}),
                    product({x.begin(), x.end()}, values, outputs, turned));
    }
}

TEST_CASE("large weights that several layers share, by themselves and by another name") {
    constexpr std::size_t extent = 1103;
    const Values x = drawn(extent, 3), values = drawn(extent * extent, 4);
    for (const bool is_renamed : {false, true}) {
        Writer w({1, extent});
        const std::string weights = w.weights({extent, extent}, values);
        const std::string other = is_renamed ? w.node("Identity", {weights}).output(0) : weights;
        const std::string first = w.gemm("x", weights, true);
        w.output(w.gemm(w.gemm(first, other, false), weights, true));
        std::vector<double> want(x.begin(), x.end());
        for (const bool turned : {true, false, true}) {
            want = product(want, values, extent, turned);
        }
        check_close(w.run({1, extent}, x, {1, extent}), want);
    }
}

TEST_CASE("large convolutions of 3x3 and of 1x1") {
    constexpr std::size_t channels = 250, outputs = 242, side = 9;
    for (const std::size_t kernel : {std::size_t{3}, std::size_t{1}}) {
        INFO("kernel " << kernel);
        const std::size_t to = kernel == 3 ? outputs : 2 * channels + 1201, out = side - kernel + 1;
        const Values x = drawn(channels * side * side, 5);
        const Values values = drawn(to * channels * kernel * kernel, 6);
        const auto k = std::int64_t(kernel);
        Writer w({1, channels, side, side});
        w.output(
            w.node("Conv", {"x", w.weights({std::int64_t(to), channels, k, k}, values)}).output(0));
        std::vector<double> want(to * out * out);
        for (std::size_t at = 0; at < want.size(); ++at) {
            const std::size_t o = at / (out * out), y = at / out % out, column = at % out;
            for (std::size_t c = 0; c < channels; ++c) {
                for (std::size_t tap = 0; tap < kernel * kernel; ++tap) {
                    const std::size_t row = c * side + y + tap / kernel;
                    want[at] += double(values[(o * channels + c) * kernel * kernel + tap]) *
                                double(x[row * side + column + tap % kernel]);
                }
            }
        }
        const auto o = std::int64_t(out);
        check_close(w.run({1, channels, side, side}, x, {1, std::int64_t(to), o, o}), want);
    }
}
