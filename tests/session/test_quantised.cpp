#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "passes/load_graph.h"
#include "passes/quantised_files.h"
#include "session/buffer.h"
#include "session/cases.h"

/// Quantised files through the API, of each style that is read, against the scalar reference and
/// against ONNX Runtime.
namespace {

using namespace sluice;
using namespace sluice::session_test;
using namespace sluice::quantised_files;
using reference::Tensor;

/// The file's image, then others: reversed, and with floats that saturate or bytes on end.
std::vector<Tensor> images_of(const File& file) {
    std::vector<Tensor> images(3, file.x);
    std::reverse(images[1].data.begin(), images[1].data.end());
    for (float& number : images[2].data) {
        number =
            file.x_type == "float32" ? -5 * number : (file.x_type == "int8" ? -1 : 255) - number;
    }
    return images;
}

Numbers run(Session& session, const Model& model, const Tensor& x, std::size_t outputs) {
    const DataType type = model.outputs()[0].type;
    Shape shape;
    for (const Dimension& dimension : model.outputs()[0].shape) {
        shape.push_back(dimension.size < 0 ? x.shape[0] : dimension.size);
    }
    const Buffer input(model.inputs()[0].type, x.data);
    Buffer output(type, Numbers(outputs, type == DataType::float32 ? std::nanf("") : 99));
    const TensorView in = input.view(x.shape);
    const MutableTensorView out = output.mutable_view(shape);
    const Status status = session.run({&in, 1}, {&out, 1});
    INFO(status.message());
    REQUIRE(status.ok());
    return output.numbers();
}

/// How far outputs may be from the reference's, in steps of their last rounding. Not at all where
/// all layers work on integers. Where something works in float before a rounding, the order of its
/// sums decides on which side of half a step a number falls: zeros_u8, whose weights are uint8,
/// runs in float as a whole, and its scales make such ties.
int steps_of(const std::string& name) {
    const auto ends = [&name](const char* with) { return name.ends_with(with); };
    const char* const in_float[] = {
        "zeros_s8",   "zeros_u8",   "unquantised_input", "float_weights", "large_bias",
        "large_sums", "input_axis", "normalised",        "grouped",       "dilated"};
    if (name.starts_with("inputs_") ||
        std::any_of(std::begin(in_float), std::end(in_float), ends)) {
        return 1;
    }
    return ends("mixed") ? 2 : 0;  // a linear Resize, which two layers follow
}

/// What a file is to give.
struct Expected {
    std::vector<Tensor> images;
    std::vector<Numbers> outputs;
    double largest = 0;
    double step = 0;       ///< of the last rounding
    double tolerance = 0;  ///< against the reference
};

Expected expected_of(const File& file) {
    const auto graph = load_graph(folder / (file.name + ".onnx"));
    INFO(graph.status().message());
    REQUIRE(graph.ok());
    Expected expected;
    expected.images = images_of(file);
    for (const Tensor& image : expected.images) {
        expected.outputs.push_back(answer(graph.value(), image));
        for (const float number : expected.outputs.back()) {
            expected.largest = std::max(expected.largest, double(std::abs(number)));
        }
    }
    // Where nothing rounds the output, a step of what is rounded last is a small part of it.
    const double step = step_of(graph.value());
    expected.step = step > 0 ? 1.001 * step : 0.01 * expected.largest;
    expected.tolerance = steps_of(file.name) * expected.step;
    return expected;
}

/// Numbers that were compared, and those that were not the same.
struct Count {
    int compared = 0, differ = 0;

    void add(const Numbers& got, const Numbers& wanted, double tolerance) {
        REQUIRE(got.size() == wanted.size());
        double worst = 0;
        for (std::size_t i = 0; i < got.size(); ++i) {
            const double off = std::abs(double(got[i]) - double(wanted[i]));
            worst = std::isnan(off) ? INFINITY : std::max(worst, off);
            differ += got[i] != wanted[i];
        }
        compared += int(got.size());
        CHECK(worst <= tolerance);
    }
};

/// The outputs of a file's images one by one, then of the first again, each compared.
Numbers check_each(const File& file, const Model& model, const Expected& expected, int threads,
                   Count& reference, Count& runtime) {
    Session session = open(model, {.threads = threads});
    Numbers all;
    for (const std::size_t i : {0, 1, 2, 0}) {
        const Numbers y = run(session, model, expected.images[i], expected.outputs[i].size());
        reference.add(y, expected.outputs[i], expected.tolerance);
        if (all.size() < 3 * y.size()) {
            all.insert(all.end(), y.begin(), y.end());
        }
        if (i == 0) {
            runtime.add(y, file.y, expected.step);
        }
    }
    return all;
}

Numbers run_batch(const Model& model, const Expected& expected, int threads) {
    CHECK(model.inputs()[0].shape[0].size == -1);
    Tensor batch{expected.images[0].shape, {}};
    batch.shape[0] *= std::int64_t(expected.images.size());
    std::size_t outputs = 0;
    for (std::size_t i = 0; i < expected.images.size(); ++i) {
        const Numbers& image = expected.images[i].data;
        batch.data.insert(batch.data.end(), image.begin(), image.end());
        outputs += expected.outputs[i].size();
    }
    Session session = open(model, {.threads = threads});
    return run(session, model, batch, outputs);
}

}  // namespace

TEST_CASE("quantised files give the reference's numbers, and ONNX Runtime's within a step") {
    const std::vector<File> all = files();
    CHECK(all.size() >= 73);
    for (const std::string& target : possible_targets()) {
        Count exact, in_float, runtime;
        for (const File& file : all) {
            CAPTURE(target, file.name);
            const Expected expected = expected_of(file);
            const Model model = load(folder / (file.name + ".onnx"), target);
            const Model batch = load(folder / ("batch_" + file.name + ".onnx"), target);
            CHECK(to_string(model.inputs()[0].type) == file.x_type);
            CHECK(to_string(model.outputs()[0].type) == file.y_type);
            Count& reference = steps_of(file.name) == 0 ? exact : in_float;
            const Numbers one = check_each(file, model, expected, 1, reference, runtime);
            CHECK(check_each(file, model, expected, 3, reference, runtime) == one);
            CHECK(run_batch(batch, expected, 1) == one);
            CHECK(run_batch(batch, expected, 3) == one);
        }
        std::cout << target << ": " << all.size() << " quantised files, " << exact.differ << " of "
                  << exact.compared << " numbers of int8 alone differ from the reference, "
                  << in_float.differ << " of " << in_float.compared
                  << " where floats are between; from ONNX Runtime " << runtime.differ << " of "
                  << runtime.compared << "\n";
        CHECK(exact.differ == 0);
        CHECK(exact.compared > 10000);
        CHECK(in_float.differ * 50 < in_float.compared);
    }
}
