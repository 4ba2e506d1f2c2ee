#include <algorithm>
#include <map>

#include "c/handles.h"

using namespace sluice;
using namespace sluice::c_test;
using session_test::Case;
using session_test::Extents;

TEST_CASE("the C API's answers, gates and steps are the C++ API's, and near ONNX Runtime's") {
    const Case c = session_test::read_case("resnet20_lccl_cifar10", 3);
    const Model model = session_test::load(c.model);
    Session session = session_test::open(model, {.record_gates = true, .record_steps = true});
    const session_test::Array expected = session_test::run(session, c.x, c.y.shape, 3);

    const ModelHandle c_model = c_test::load(c.model);
    const SessionOptionsHandle options(sluice_session_options_create());
    REQUIRE(sluice_session_options_set_record_gates(options.get(), 1) == SLUICE_OK);
    REQUIRE(sluice_session_options_set_record_steps(options.get(), 1) == SLUICE_OK);
    const SessionHandle c_session = c_test::open(c_model, options.get());
    CHECK(sluice_session_macs_executed(c_session.get()) == 0);
    std::vector<float> y(c.y.values.size());
    const sluice_input in = input(nullptr, c.x.shape, c.x.values);
    const sluice_output out = output(nullptr, c.y.shape, y);
    REQUIRE(sluice_session_run(c_session.get(), &in, 1, &out, 1) == SLUICE_OK);
    CHECK(y == expected.values);
    CHECK(session_test::relative(y.data(), c.y.values.data(), y.size()) < 1e-4);
    CHECK(sluice_session_macs_executed(c_session.get()) == session.macs_executed());

    REQUIRE(sluice_model_gate_count(c_model.get()) == model.gates().size());
    REQUIRE(!model.gates().empty());
    for (std::size_t g = 0; g < model.gates().size(); ++g) {
        const sluice_gate_info* info = sluice_model_gate(c_model.get(), g);
        CHECK(sluice_gate_info_layer(info) == model.gates()[g].layer);
        CHECK(sluice_gate_info_groups(info) == model.gates()[g].groups);
        CHECK(sluice_gate_info_height(info) == model.gates()[g].height);
        CHECK(sluice_gate_info_width(info) == model.gates()[g].width);
        CHECK(sluice_gate_info_grid(info) == model.gates()[g].grid);
        CHECK(sluice_gate_info_macs(info) == model.gates()[g].macs);
        CHECK(sluice_gate_info_skips(info) == int(model.gates()[g].skips));
        std::int64_t active = -1, total = -1;
        const float* values = nullptr;
        REQUIRE(sluice_session_gate(c_session.get(), g, &active, &total, &values) == SLUICE_OK);
        const GateReading& reading = session.gates()[g];
        CHECK(active == reading.active);
        CHECK(total == reading.total);
        CHECK(std::equal(reading.values.begin(), reading.values.end(), values));
    }

    const std::vector<StepInfo> steps = model.steps();
    REQUIRE(sluice_model_step_count(c_model.get()) == steps.size());
    for (std::size_t s = 0; s < steps.size(); ++s) {
        const char *node = nullptr, *kernel = nullptr, *shape = nullptr;
        REQUIRE(sluice_model_step(c_model.get(), s, &node, &kernel, &shape) == SLUICE_OK);
        CHECK(node == steps[s].node);
        CHECK(kernel == steps[s].kernel);
        CHECK(shape == steps[s].shape);
        double seconds = -1;
        std::int64_t macs = -1;
        REQUIRE(sluice_session_step(c_session.get(), s, &seconds, &macs) == SLUICE_OK);
        CHECK(seconds >= 0);
        CHECK(macs == session.steps()[s].macs);
    }
}

TEST_CASE("the C API says of a model what the C++ API says") {
    const std::filesystem::path path = session_test::demo_model();
    const Model model = session_test::load(path);
    const ModelHandle c_model = c_test::load(path);
    REQUIRE(sluice_model_input_count(c_model.get()) == 1);
    REQUIRE(sluice_model_output_count(c_model.get()) == 1);
    const sluice_tensor_info* info = sluice_model_input(c_model.get(), 0);
    CHECK(sluice_tensor_info_name(info) == std::string("input"));
    CHECK(sluice_tensor_info_type(info) == SLUICE_FLOAT32);
    REQUIRE(sluice_tensor_info_rank(info) == 4);
    CHECK(sluice_tensor_info_axis_name(info, 0) == std::string("N"));
    const std::int64_t extents[] = {-1, 3, 32, 32};
    for (std::size_t axis = 0; axis < 4; ++axis) {
        CHECK(sluice_tensor_info_extent(info, axis) == extents[axis]);
    }
    CHECK(sluice_tensor_info_name(sluice_model_output(c_model.get(), 0)) == std::string("scores"));

    std::map<std::string, std::string> metadata;
    for (std::size_t i = 0; i < sluice_model_metadata_count(c_model.get()); ++i) {
        const char *key = nullptr, *value = nullptr;
        REQUIRE(sluice_model_metadata_entry(c_model.get(), i, &key, &value) == SLUICE_OK);
        metadata[key] = value;
        CHECK(sluice_model_metadata(c_model.get(), key) == metadata[key]);
    }
    CHECK(metadata == model.metadata());
    CHECK(!metadata.empty());
    CHECK(sluice_model_target(c_model.get()) == model.target());
    CHECK(sluice_model_macs(c_model.get()) == model.macs());
    CHECK(sluice_model_lccl_macs(c_model.get()) == model.lccl_macs());
    CHECK(sluice_model_explain(c_model.get()) == model.explain());
}

TEST_CASE("options of the C API reach the model and the session") {
    const std::filesystem::path path = session_test::demo_model();
    const std::string target = session_test::possible_targets().back();
    const ModelOptionsHandle options(sluice_model_options_create());
    REQUIRE(sluice_model_options_set_target(options.get(), target.c_str()) == SLUICE_OK);
    REQUIRE(sluice_model_options_set_winograd(options.get(), 0) == SLUICE_OK);
    const ModelHandle model = c_test::load(path, options.get());
    CHECK(sluice_model_target(model.get()) == target);
    CHECK(sluice_model_explain(model.get()) == session_test::load(path, target, false).explain());

    const std::filesystem::path quantised =
        std::filesystem::path(SLUICE_QUANTISED_CASES) / "inputs_resnet.onnx";
    const std::string in_bytes = sluice_model_explain(c_test::load(quantised).get());
    REQUIRE(sluice_model_options_set_int8(options.get(), 0) == SLUICE_OK);
    CHECK(sluice_model_explain(c_test::load(quantised, options.get()).get()) != in_bytes);

    // The session outlives its model; three threads share out a batch of three.
    const Case c = session_test::read_case("resnet20_lccl_cifar10", 3);
    const SessionOptionsHandle threads(sluice_session_options_create());
    REQUIRE(sluice_session_options_set_threads(threads.get(), 3) == SLUICE_OK);
    const SessionHandle session = c_test::open(c_test::load(c.model), threads.get());
    std::vector<float> y(c.y.values.size());
    const sluice_input in = input("input", c.x.shape, c.x.values);
    const sluice_output out = output("scores", c.y.shape, y);
    REQUIRE(sluice_session_run(session.get(), &in, 1, &out, 1) == SLUICE_OK);
    CHECK(session_test::relative(y.data(), c.y.values.data(), y.size()) < 1e-4);
    CHECK(sluice_session_step(session.get(), 0, nullptr, nullptr) == SLUICE_ERROR_ARGUMENT);
    const float* values = y.data();
    CHECK(sluice_session_gate(session.get(), 0, nullptr, nullptr, &values) == SLUICE_OK);
    CHECK(values == nullptr);
}

TEST_CASE("tensors of the C API are found by their names, in any order, or by their places") {
    const ModelHandle model = c_test::load(session_test::case_folder() / "pair.onnx");
    const SessionHandle session = c_test::open(model);
    const Extents shape = {2, 4, 5, 6};
    std::vector<float> a(240), b(240), sum(240), difference(240);
    for (std::size_t i = 0; i < a.size(); ++i) {
        a[i] = float(i);
        b[i] = float(3 * i) - 7;
    }
    const auto check = [&](sluice_status status) {
        INFO(sluice_last_error());
        REQUIRE(status == SLUICE_OK);
        for (std::size_t i = 0; i < a.size(); ++i) {
            REQUIRE(sum[i] == a[i] + b[i]);
            REQUIRE(difference[i] == a[i] - b[i]);
        }
        sum.assign(240, 0);
        difference.assign(240, 0);
    };
    const sluice_input places[] = {input(nullptr, shape, a), input(nullptr, shape, b)};
    const sluice_input names[] = {input("b", shape, b), input("a", shape, a)};
    const sluice_output out_places[] = {output(nullptr, shape, sum),
                                        output(nullptr, shape, difference)};
    const sluice_output out_names[] = {output("difference", shape, difference),
                                       output("sum", shape, sum)};
    check(sluice_session_run(session.get(), places, 2, out_places, 2));
    check(sluice_session_run(session.get(), names, 2, out_places, 2));
    check(sluice_session_run(session.get(), places, 2, out_names, 2));
    check(sluice_session_run(session.get(), names, 2, out_names, 2));
}

TEST_CASE("the C API runs on uint8 and int8") {
    for (const bool is_signed : {false, true}) {
        const std::filesystem::path path =
            std::filesystem::path(SLUICE_QUANTISED_CASES) /
            (is_signed ? "batch_q_linear_s8.onnx" : "batch_q_linear_u8.onnx");
        const Model model = session_test::load(path);
        Session session = session_test::open(model);
        Extents x_shape, y_shape;
        for (const auto& [name, size] : model.inputs()[0].shape) {
            x_shape.push_back(size < 0 ? 2 : size);
        }
        std::size_t y_bytes = 1;
        for (const auto& [name, size] : model.outputs()[0].shape) {
            y_shape.push_back(size < 0 ? 2 : size);
            y_bytes *= std::size_t(y_shape.back());
        }
        std::vector<std::uint8_t> x(2 * 3 * 9 * 8), y(y_bytes), expected(y_bytes);
        for (std::size_t i = 0; i < x.size(); ++i) {
            x[i] = std::uint8_t(37 * i);
        }
        TensorView view(x.data(), x_shape);
        MutableTensorView out_view(expected.data(), y_shape);
        view.type = out_view.type = is_signed ? DataType::int8 : DataType::uint8;
        REQUIRE(session.run({&view, 1}, {&out_view, 1}).ok());
        REQUIRE(std::count(expected.begin(), expected.end(), expected[0]) < std::int64_t(y_bytes));

        const ModelHandle c_model = c_test::load(path);
        const sluice_type type = is_signed ? SLUICE_INT8 : SLUICE_UINT8;
        CHECK(sluice_tensor_info_type(sluice_model_input(c_model.get(), 0)) == type);
        const SessionHandle c_session = c_test::open(c_model);
        const sluice_input in = {nullptr, type, 4, x_shape.data(), x.data(), x.size()};
        const sluice_output out = {nullptr,        type,     y_shape.size(),
                                   y_shape.data(), y.data(), y_bytes};
        REQUIRE(sluice_session_run(c_session.get(), &in, 1, &out, 1) == SLUICE_OK);
        CHECK(y == expected);
    }
}

TEST_CASE("the library has the version of its headers") {
    CHECK(sluice_version() == std::string(SLUICE_VERSION_STRING));
    CHECK(sluice_version_number() == SLUICE_VERSION_NUMBER);
    CHECK(std::string(SLUICE_PROJECT_VERSION) == SLUICE_VERSION_STRING);
}
