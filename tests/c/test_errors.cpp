#include <thread>

#include "c/handles.h"

using namespace sluice::c_test;
using sluice::session_test::Extents;

namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// A run of pair.onnx with everything right, for tests to spoil.
struct PairRun {
    ModelHandle model = c_test_load();
    SessionHandle session = open(model);
    Extents shape = {1, 4, 5, 6};
    std::vector<float> a = std::vector<float>(120), b = a, sum = a, difference = a;
    std::vector<sluice_input> in = {input(nullptr, shape, a), input(nullptr, shape, b)};
    std::vector<sluice_output> out = {output(nullptr, shape, sum),
                                      output(nullptr, shape, difference)};

    static ModelHandle c_test_load() {
        return load(sluice::session_test::case_folder() / "pair.onnx");
    }
    sluice_status run() {
        return sluice_session_run(session.get(), in.data(), in.size(), out.data(), out.size());
    }
};

/// A call that passes NULL as `argument`, "function: argument", and whether it failed as
/// documented.
struct Call {
    const char* argument;
    bool (*is_refused)(PairRun& right);
};

/// What is wrong with a run after `spoil`; the run before and the one after are right.
std::string refusal(void (*spoil)(PairRun&)) {
    PairRun good, spoilt;
    REQUIRE(good.run() == SLUICE_OK);
    spoil(spoilt);
    CHECK(spoilt.run() == SLUICE_ERROR_TENSOR);
    CHECK(contains(sluice_last_error_file(), "pair.onnx"));
    CHECK(*sluice_last_error_remedy() != '\0');
    return sluice_last_error();
}

}  // namespace

TEST_CASE("every function of the C API that takes a pointer refuses NULL, and says which") {
    PairRun p;
    const Call calls[] = {
        {"sluice_model_options_set_target: options",
         [](PairRun&) {
             return sluice_model_options_set_target(nullptr, "avx2") == SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_model_options_set_target: target",
         [](PairRun&) {
             const ModelOptionsHandle options(sluice_model_options_create());
             return sluice_model_options_set_target(options.get(), nullptr) ==
                    SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_model_options_set_winograd: options",
         [](PairRun&) {
             return sluice_model_options_set_winograd(nullptr, 1) == SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_model_options_set_int8: options",
         [](PairRun&) {
             return sluice_model_options_set_int8(nullptr, 1) == SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_model_options_set_size: options",
         [](PairRun&) {
             return sluice_model_options_set_size(nullptr, 8, 8) == SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_model_load: model",
         [](PairRun&) {
             return sluice_model_load("a.onnx", nullptr, nullptr) == SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_model_load: path",
         [](PairRun& p) {
             sluice_model* made = p.model.get();
             return sluice_model_load(nullptr, nullptr, &made) == SLUICE_ERROR_ARGUMENT &&
                    made == nullptr;
         }},
        {"sluice_model_input_count: model",
         [](PairRun&) { return sluice_model_input_count(nullptr) == 0; }},
        {"sluice_model_output_count: model",
         [](PairRun&) { return sluice_model_output_count(nullptr) == 0; }},
        {"sluice_model_input: model",
         [](PairRun&) { return sluice_model_input(nullptr, 0) == nullptr; }},
        {"sluice_model_output: model",
         [](PairRun&) { return sluice_model_output(nullptr, 0) == nullptr; }},
        {"sluice_tensor_info_name: info",
         [](PairRun&) { return sluice_tensor_info_name(nullptr) == nullptr; }},
        {"sluice_tensor_info_type: info",
         [](PairRun&) { return int(sluice_tensor_info_type(nullptr)) == 0; }},
        {"sluice_tensor_info_rank: info",
         [](PairRun&) { return sluice_tensor_info_rank(nullptr) == 0; }},
        {"sluice_tensor_info_extent: info",
         [](PairRun&) { return sluice_tensor_info_extent(nullptr, 0) == 0; }},
        {"sluice_tensor_info_axis_name: info",
         [](PairRun&) { return sluice_tensor_info_axis_name(nullptr, 0) == nullptr; }},
        {"sluice_model_metadata_count: model",
         [](PairRun&) { return sluice_model_metadata_count(nullptr) == 0; }},
        {"sluice_model_metadata_entry: model",
         [](PairRun&) {
             return sluice_model_metadata_entry(nullptr, 0, nullptr, nullptr) ==
                    SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_model_metadata: model",
         [](PairRun&) { return sluice_model_metadata(nullptr, "key") == nullptr; }},
        {"sluice_model_metadata: key",
         [](PairRun& p) { return sluice_model_metadata(p.model.get(), nullptr) == nullptr; }},
        {"sluice_model_target: model",
         [](PairRun&) { return sluice_model_target(nullptr) == nullptr; }},
        {"sluice_model_macs: model", [](PairRun&) { return sluice_model_macs(nullptr) == -1; }},
        {"sluice_model_lccl_macs: model",
         [](PairRun&) { return sluice_model_lccl_macs(nullptr) == -1; }},
        {"sluice_model_explain: model",
         [](PairRun&) { return sluice_model_explain(nullptr) == nullptr; }},
        {"sluice_model_gate_count: model",
         [](PairRun&) { return sluice_model_gate_count(nullptr) == 0; }},
        {"sluice_model_gate: model",
         [](PairRun&) { return sluice_model_gate(nullptr, 0) == nullptr; }},
        {"sluice_gate_info_layer: gate",
         [](PairRun&) { return sluice_gate_info_layer(nullptr) == nullptr; }},
        {"sluice_gate_info_groups: gate",
         [](PairRun&) { return sluice_gate_info_groups(nullptr) == 0; }},
        {"sluice_gate_info_height: gate",
         [](PairRun&) { return sluice_gate_info_height(nullptr) == 0; }},
        {"sluice_gate_info_width: gate",
         [](PairRun&) { return sluice_gate_info_width(nullptr) == 0; }},
        {"sluice_gate_info_grid: gate",
         [](PairRun&) { return sluice_gate_info_grid(nullptr) == 0; }},
        {"sluice_gate_info_macs: gate",
         [](PairRun&) { return sluice_gate_info_macs(nullptr) == -1; }},
        {"sluice_gate_info_skips: gate",
         [](PairRun&) { return sluice_gate_info_skips(nullptr) == 0; }},
        {"sluice_model_step_count: model",
         [](PairRun&) { return sluice_model_step_count(nullptr) == 0; }},
        {"sluice_model_step: model",
         [](PairRun&) {
             return sluice_model_step(nullptr, 0, nullptr, nullptr, nullptr) ==
                    SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_session_options_set_threads: options",
         [](PairRun&) {
             return sluice_session_options_set_threads(nullptr, 1) == SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_session_options_set_record_gates: options",
         [](PairRun&) {
             return sluice_session_options_set_record_gates(nullptr, 1) == SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_session_options_set_record_steps: options",
         [](PairRun&) {
             return sluice_session_options_set_record_steps(nullptr, 1) == SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_session_create: session",
         [](PairRun& p) {
             return sluice_session_create(p.model.get(), nullptr, nullptr) == SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_session_create: model",
         [](PairRun& p) {
             sluice_session* made = p.session.get();
             return sluice_session_create(nullptr, nullptr, &made) == SLUICE_ERROR_ARGUMENT &&
                    made == nullptr;
         }},
        {"sluice_session_run: session",
         [](PairRun& p) {
             return sluice_session_run(nullptr, p.in.data(), 2, p.out.data(), 2) ==
                    SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_session_run: inputs",
         [](PairRun& p) {
             return sluice_session_run(p.session.get(), nullptr, 2, p.out.data(), 2) ==
                    SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_session_run: outputs",
         [](PairRun& p) {
             return sluice_session_run(p.session.get(), p.in.data(), 2, nullptr, 2) ==
                    SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_session_macs_executed: session",
         [](PairRun&) { return sluice_session_macs_executed(nullptr) == -1; }},
        {"sluice_session_gate: session",
         [](PairRun&) {
             return sluice_session_gate(nullptr, 0, nullptr, nullptr, nullptr) ==
                    SLUICE_ERROR_ARGUMENT;
         }},
        {"sluice_session_step: session",
         [](PairRun&) {
             return sluice_session_step(nullptr, 0, nullptr, nullptr) == SLUICE_ERROR_ARGUMENT;
         }},
    };
    for (const auto& [argument, is_refused] : calls) {
        INFO(argument);
        CHECK(is_refused(p));
        CHECK(sluice_last_error() == std::string(argument) + " is NULL; pass one");
        CHECK(sluice_last_error_remedy() == std::string("pass one"));
    }
    sluice_model_options_destroy(nullptr);
    sluice_model_destroy(nullptr);
    sluice_session_options_destroy(nullptr);
    sluice_session_destroy(nullptr);
}

TEST_CASE("every function of the C API that takes an index refuses one past the end") {
    const PairRun p;
    const sluice_model* model = p.model.get();
    const sluice_tensor_info* info = sluice_model_input(model, 1);
    REQUIRE(info != nullptr);
    CHECK(sluice_model_input(model, 2) == nullptr);
    CHECK(sluice_last_error() ==
          std::string("sluice_model_input: there is no number 2 of 2; count from 0"));
    CHECK(sluice_model_output(model, SIZE_MAX) == nullptr);
    CHECK(sluice_tensor_info_extent(info, 4) == 0);
    CHECK(sluice_tensor_info_axis_name(info, 4) == nullptr);
    CHECK(sluice_last_error() ==
          std::string("sluice_tensor_info_axis_name: there is no number 4 of 4; count from 0"));
    const std::size_t entries = sluice_model_metadata_count(model);
    CHECK(sluice_model_metadata_entry(model, entries, nullptr, nullptr) == SLUICE_ERROR_ARGUMENT);
    CHECK(sluice_model_gate(model, sluice_model_gate_count(model)) == nullptr);
    const std::size_t steps = sluice_model_step_count(model);
    CHECK(sluice_model_step(model, steps - 1, nullptr, nullptr, nullptr) == SLUICE_OK);
    CHECK(sluice_model_step(model, steps, nullptr, nullptr, nullptr) == SLUICE_ERROR_ARGUMENT);
    CHECK(sluice_session_gate(p.session.get(), 0, nullptr, nullptr, nullptr) ==
          SLUICE_ERROR_ARGUMENT);
    CHECK(sluice_model_metadata(model, "colour") == nullptr);
    CHECK(contains(sluice_last_error(), "pair.onnx: has no metadata 'colour'"));
}

TEST_CASE("the C API refuses a run whose tensors do not fit, naming the tensor") {
    using R = PairRun;
    CHECK(contains(refusal([](R& r) { r.in.pop_back(); }), "got 1 inputs and has 2"));
    CHECK(contains(refusal([](R& r) { r.out.pop_back(); }), "got 1 outputs and has 2"));
    CHECK(contains(refusal([](R& r) { r.in[1].name = "b"; }), "with and without a name"));
    CHECK(contains(refusal([](R& r) { r.in[0].name = "a", r.in[1].name = "c"; }),
                   "has no input 'c'"));
    CHECK(contains(refusal([](R& r) { r.out[0].name = r.out[1].name = "sum"; }),
                   "sum: is passed twice"));
    CHECK(contains(refusal([](R& r) { r.in[0].type = SLUICE_UINT8; }),
                   "a: has elements of uint8 and needs float32"));
    CHECK(contains(refusal([](R& r) { r.out[1].type = sluice_type(7); }),
                   "difference: has the type 7"));
    CHECK(contains(refusal([](R& r) { r.in[1].rank = 3; }), "b: has 3 axes and needs 4"));
    CHECK(contains(refusal([](R& r) { r.in[1].rank = SIZE_MAX; }), "axes and needs 4"));
    CHECK(contains(refusal([](R& r) { r.in[1].shape = nullptr; }), "b: has no shape"));
    CHECK(contains(refusal([](R& r) { r.in[1].data = nullptr; }), "b: has no data"));
    CHECK(contains(refusal([](R& r) { r.out[0].data = nullptr; }), "sum: has no data"));
    CHECK(contains(refusal([](R& r) { r.in[0].bytes -= 1; }),
                   "a: has 479 bytes and its shape takes 480"));
    CHECK(contains(refusal([](R& r) { r.out[0].bytes = 120; }),
                   "sum: has 120 bytes and its shape takes 480"));
    CHECK(contains(refusal([](R& r) { r.shape[0] = 0; }), "a: has the shape [0, 4, 5, 6]"));
    CHECK(contains(refusal([](R& r) { r.shape[3] = 7; }), "a: has the shape [1, 4, 5, 7]"));
    // 2^62 images: more bytes than a size_t counts.
    CHECK(contains(refusal([](R& r) { r.shape[0] = std::int64_t(1) << 62; }), "a: has 480 bytes"));
}

TEST_CASE("the C API refuses models, targets, sizes and threads that there are not") {
    sluice_model* model = nullptr;
    CHECK(sluice_model_load("nowhere/none.onnx", nullptr, &model) == SLUICE_ERROR_MODEL);
    CHECK(model == nullptr);
    CHECK(sluice_last_error_file() == std::string("nowhere/none.onnx"));
    CHECK(contains(sluice_last_error(), "nowhere/none.onnx: cannot be read"));
    CHECK(sluice_model_load("", nullptr, &model) == SLUICE_ERROR_MODEL);
    const ModelOptionsHandle options(sluice_model_options_create());
    REQUIRE(sluice_model_options_set_target(options.get(), "abacus") == SLUICE_OK);
    const std::string path = (sluice::session_test::case_folder() / "pair.onnx").string();
    CHECK(sluice_model_load(path.c_str(), options.get(), &model) == SLUICE_ERROR_MODEL);
    CHECK(contains(sluice_last_error(), "abacus"));
    CHECK(sluice_model_options_set_size(options.get(), 0, 8) == SLUICE_ERROR_ARGUMENT);
    CHECK(sluice_model_options_set_size(options.get(), 8, -1) == SLUICE_ERROR_ARGUMENT);

    const PairRun p;
    const SessionOptionsHandle threads(sluice_session_options_create());
    for (const int count : {0, -1, 100000}) {
        sluice_session* session = p.session.get();
        REQUIRE(sluice_session_options_set_threads(threads.get(), count) == SLUICE_OK);
        CHECK(sluice_session_create(p.model.get(), threads.get(), &session) ==
              SLUICE_ERROR_SESSION);
        CHECK(session == nullptr);
        CHECK(contains(sluice_last_error(), "pair.onnx: cannot run on"));
    }
}

TEST_CASE("threads have their own error text, which successes leave as it is") {
    sluice_model* model = nullptr;
    REQUIRE(sluice_model_load("first.onnx", nullptr, &model) == SLUICE_ERROR_MODEL);
    const std::string first = sluice_last_error();
    std::string before, after, of_success;
    std::thread([&] {
        before = sluice_last_error();
        sluice_model* other = nullptr;
        sluice_model_load("second.onnx", nullptr, &other);
        after = sluice_last_error();
        const PairRun right;
        of_success = sluice_last_error();
    }).join();
    CHECK(before.empty());
    CHECK(contains(after, "second.onnx"));
    CHECK(of_success == after);
    CHECK(sluice_last_error() == first);
    CHECK(contains(first, "first.onnx"));
}
