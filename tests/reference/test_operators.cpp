#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <map>

#include "reference/index.h"
#include "reference/operators.h"

using namespace sluice;
using namespace sluice::reference;

namespace {

/// A case of make_cases.py; the last tensor is ONNX Runtime's result.
struct Case {
    std::string name, op;
    Shape ints;
    std::vector<double> reals;
    std::vector<Tensor> tensors;
};

template <typename T>
std::vector<T> read_list(std::istream& in) {
    std::size_t count = 0;
    in >> count;
    std::vector<T> values(count);
    for (T& value : values) {
        in >> value;
    }
    return values;
}

bool read_case(std::istream& in, Case& c) {
    std::string keyword;
    if (!(in >> keyword >> c.name >> c.op)) {
        return false;
    }
    c.ints = read_list<std::int64_t>(in);
    c.reals = read_list<double>(in);
    std::size_t count = 0;
    in >> count;
    c.tensors.clear();
    for (std::size_t i = 0; i < count; ++i) {
        Tensor t = zeros(read_list<std::int64_t>(in));
        for (float& value : t.data) {
            in >> value;
        }
        c.tensors.push_back(t);
    }
    return bool(in);
}

Window window_of(const Shape& i) {
    return {{i[0], i[1]}, {i[2], i[3]}, {i[4], i[5], i[6], i[7]}, i[8] != 0, i[9] != 0};
}

Tensor run_fused(const Case& c) {
    const auto& t = c.tensors;
    FusedConv conv;
    conv.weights = std::make_shared<Constant>(Constant{t[1].shape, t[1].data});
    conv.bias = t[2].data;
    conv.scale = t[3].data;
    conv.shift = t[4].data;
    std::fill_n(conv.pads, 4, 1);
    conv.act.low = 0;
    conv.post = {float(c.reals[0]), float(c.reals[1])};
    return fused_conv(conv, t[0], &t[5], &t[6]);
}

Tensor run_resize(const Case& c) {
    const Tensor& x = c.tensors[0];
    Resize r;
    r.size = {c.ints[0], c.ints[1]};
    r.scale = {float(c.ints[0]) / float(x.shape[2]), float(c.ints[1]) / float(x.shape[3])};
    r.interpolation = Interpolation(c.ints[2]);
    r.coordinates = Coordinates(c.ints[3]);
    r.rounding = Rounding(c.ints[4]);
    return resize(x, r);
}

/// Reals i and i + 1, a scale and a zero point; none of scale 0.
std::optional<Quantization> quantization_of(const Case& c, std::size_t i) {
    const Quantization found{float(c.reals[i]), int(c.reals[i + 1])};
    return found.scale > 0 ? std::optional(found) : std::nullopt;
}

Tensor run_quantised(const Case& c) {
    const auto& t = c.tensors;
    FusedConv conv;
    conv.weights = std::make_shared<Constant>(
        Constant{t[1].shape, std::vector<std::int8_t>(t[1].data.begin(), t[1].data.end())});
    conv.weight_scale = t[2].data;
    conv.bias = t[3].data;
    conv.scale = t[4].data;
    conv.shift = t[5].data;
    std::copy_n(c.ints.begin(), 2, conv.stride);
    std::copy_n(c.ints.begin() + 2, 4, conv.pads);
    conv.act = {float(c.reals[2]), float(c.reals[3])};
    conv.post = {float(c.reals[4]), float(c.reals[5])};
    conv.after_act = quantization_of(c, 8);
    conv.after_gate = quantization_of(c, 10);
    conv.output_rounding = quantization_of(c, 14);
    const QuantisedIo io{*quantization_of(c, 0), quantization_of(c, 6).value_or(Quantization{}),
                         quantization_of(c, 12)};
    return quantised_conv(conv, io, t[0], t[6].data.empty() ? nullptr : &t[6],
                          t[7].data.empty() ? nullptr : &t[7]);
}

using Run = std::function<Tensor(const Case&)>;
const std::map<std::string, Run> operators = {
    {"conv",
     [](const Case& c) {
         const Shape& i = c.ints;
         return conv2d(c.tensors[0], c.tensors[1], c.tensors[2].data, {i[0], i[1]},
                       {i[2], i[3], i[4], i[5]}, {i[6], i[7]});
     }},
    {"conv_transpose",
     [](const Case& c) {
         const Shape &i = c.ints, &y = c.tensors.back().shape, &w = c.tensors[1].shape;
         const Window window{{w[2], w[3]}, {i[0], i[1]}, {i[2], i[3], i[4], i[5]},
                             false,        false,        {i[6], i[7]}};
         return conv_transpose2d(c.tensors[0], c.tensors[1], c.tensors[2].data, window, i[8],
                                 {y[2], y[3]});
     }},
    {"fused_conv", run_fused},
    {"max_pool", [](const Case& c) { return max_pool(c.tensors[0], window_of(c.ints)); }},
    {"average_pool", [](const Case& c) { return average_pool(c.tensors[0], window_of(c.ints)); }},
    {"global_average_pool", [](const Case& c) { return global_average_pool(c.tensors[0]); }},
    {"resize", run_resize},
    {"pad",
     [](const Case& c) {
         return pad(c.tensors[0], {c.ints.begin(), c.ints.begin() + 4},
                    {c.ints.begin() + 4, c.ints.end()}, float(c.reals[0]));
     }},
    {"slice",
     [](const Case& c) {
         return slice(c.tensors[0], {c.ints.begin(), c.ints.begin() + 4},
                      {c.ints.begin() + 4, c.ints.end()}, c.tensors.back().shape);
     }},
    {"concat",
     [](const Case& c) {
         return concat({c.tensors[0], c.tensors[1]}, int(c.ints[0]));
     }},
    {"transpose",
     [](const Case& c) {
         return transpose(c.tensors[0], {c.ints.begin(), c.ints.end()});
     }},
    {"softmax", [](const Case& c) { return softmax(c.tensors[0], int(c.ints[0])); }},
    {"linear", [](const Case& c) { return linear(c.tensors[0], c.tensors[1], c.tensors[2].data); }},
    {"quantised_conv", run_quantised},
    {"quantize", [](const Case& c) { return quantize(*quantization_of(c, 0), c.tensors[0]); }},
    {"dequantize", [](const Case& c) { return dequantize(*quantization_of(c, 0), c.tensors[0]); }},
    {"quantised_add",
     [](const Case& c) {
         return quantised_add(*quantization_of(c, 0), c.tensors[0], *quantization_of(c, 2),
                              c.tensors[1], *quantization_of(c, 4));
     }},
    {"quantised_affine",
     [](const Case& c) {
         const Affine affine{
             c.tensors[1].data, c.tensors[2].data, {0, std::numeric_limits<float>::infinity()}};
         return quantised_affine(affine, *quantization_of(c, 0), c.tensors[0],
                                 *quantization_of(c, 2));
     }},
    {"quantised_average_pool",
     [](const Case& c) {
         return quantised_average_pool(*quantization_of(c, 0), c.tensors[0], window_of(c.ints),
                                       *quantization_of(c, 2));
     }},
    {"activation",
     [](const Case& c) {
         return activation({ActivationKind(c.ints[0]), float(c.reals[0]), float(c.reals[1])},
                           c.tensors[0]);
     }},
    {"reduce",
     [](const Case& c) {
         return reduce(Reduction(c.ints[0]), c.tensors[0], {c.ints.begin() + 1, c.ints.end()});
     }},
    {"mat_mul", [](const Case& c) { return mat_mul(c.tensors[0], c.tensors[1]); }},
    {"binary", [](const Case& c) { return binary(Binary(c.ints[0]), c.tensors[0], c.tensors[1]); }},
};

double worst_error(const Tensor& got, const Tensor& expected) {
    double worst = 0;
    for (std::size_t i = 0; i < got.data.size(); ++i) {
        const double error = std::abs(double(got.data[i]) - expected.data[i]);
        // A NaN must not pass for a small error.
        worst = error <= worst ? worst : error / (1 + std::abs(double(expected.data[i])));
    }
    return worst;
}

}  // namespace

TEST_CASE("operators agree with ONNX Runtime") {
    std::ifstream in(SLUICE_REFERENCE_CASES);
    REQUIRE(in);
    std::map<std::string, int> seen;
    for (Case c; read_case(in, c);) {
        INFO(c.op << " " << c.name);
        REQUIRE(operators.count(c.op) == 1);
        const Tensor got = operators.at(c.op)(c);
        REQUIRE(got.shape == c.tensors.back().shape);
        CHECK(worst_error(got, c.tensors.back()) < 1e-5);
        ++seen[c.op];
    }
    CHECK(in.eof());
    CHECK(seen.size() == operators.size());
}

TEST_CASE("a gate of zero leaves shift and residual, even over an overflowed convolution") {
    const float huge = std::numeric_limits<float>::max();
    FusedConv conv;
    conv.weights = std::make_shared<Constant>(Constant{{1, 1, 1, 1}, std::vector<float>{huge}});
    conv.bias = {0};
    conv.scale = {2};
    conv.shift = {0.25F};
    conv.gate = GateForm::position;
    const Tensor x{{1, 1, 1, 2}, {huge, 0}};
    const Tensor gate{{1, 1, 1, 2}, {0, 1}};
    const Tensor residual{{1, 1, 1, 2}, {3, 4}};
    CHECK(fused_conv(conv, x, &gate, &residual).data == std::vector<float>{3.25F, 4.25F});
}

TEST_CASE("affine scales, shifts and then clamps each channel") {
    const Tensor x{{1, 2, 1, 2}, {1, 2, 3, 4}};
    const Affine a{{2, -1}, {1, 0}, {-3.5F, 4}};
    CHECK(affine(a, x).data == std::vector<float>{3, 4, -3, -3.5F});
    const Affine shared{{2}, {1}, {}};
    CHECK(affine(shared, x).data == std::vector<float>{3, 5, 7, 9});
    CHECK(clamp({2, 3}, x).data == std::vector<float>{2, 2, 3, 3});
}
