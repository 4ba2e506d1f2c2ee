#include <catch2/catch.hpp>

#include <thread>

#include "session/cases.h"

namespace {

using namespace sluice;
using namespace sluice::session_test;

/// A failed run's message; it names the file.
std::string failure(Session& session, std::span<const TensorView> inputs,
                    std::span<const MutableTensorView> outputs, const std::string& file) {
    const Status status = session.run(inputs, outputs);
    REQUIRE(!status.ok());
    CHECK(status.problem().file == file);
    CHECK(!status.problem().remedy.empty());
    CHECK(status.message().find('\n') == std::string::npos);
    return status.message();
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a wrong input or output is said with its name, its shape and the shape it needs") {
    const Case c = read_case("resnet20_lccl_cifar10", 2);
    const Model model = load(c.model);
    Session session = open(model);
    const Array before = run(session, c.x, c.y.shape, 1);
    Array y(Extents{2, 10});
    const Extents right = {1, 3, 32, 32}, one = {1, 10};
    const TensorView input{c.x.values.data(), right};
    const MutableTensorView output{y.values.data(), one};
    const std::string file = c.model.string();

    for (const Extents& wrong : {Extents{1, 3, 32, 31}, Extents{1, 1, 32, 32}, Extents{3, 32, 32},
                                 Extents{0, 3, 32, 32}, Extents{-1, 3, 32, 32}, Extents{}}) {
        const TensorView view{c.x.values.data(), wrong};
        const std::string message = failure(session, {&view, 1}, {&output, 1}, file);
        std::string shape = "[";
        for (std::size_t i = 0; i < wrong.size(); ++i) {
            shape += (i ? ", " : "") + std::to_string(wrong[i]);
        }
        CAPTURE(message);
        CHECK(contains(message, "input: has the shape " + shape + "]"));
        CHECK(contains(message, "needs [N, 3, 32, 32]"));
    }
    const Extents nine = {1, 9}, two = {2, 10};
    for (const Extents& wrong : {nine, two}) {
        const MutableTensorView view{y.values.data(), wrong};
        const std::string message = failure(session, {&input, 1}, {&view, 1}, file);
        CAPTURE(message);
        CHECK(contains(message, "scores: has the shape [" + std::to_string(wrong[0])));
        CHECK(contains(message, "needs [N, 10]"));
    }
    const TensorView no_data{static_cast<const float*>(nullptr), right};
    CHECK(contains(failure(session, {&no_data, 1}, {&output, 1}, file), "input: has no data"));
    const TensorView inputs[] = {input, input};
    CHECK(contains(failure(session, inputs, {&output, 1}, file), "got 2 inputs and 1 outputs"));
    CHECK(contains(failure(session, {}, {}, file), "has 1 and 1"));
    // A refused run leaves the session as it was.
    CHECK(run(session, c.x, c.y.shape, 1).values == before.values);
}

TEST_CASE("a batch gives what its images give") {
    for (const std::string& target : possible_targets()) {
        const Case c = read_case("resnet20_lccl_cifar10", 6);
        const Model model = load(c.model, target);
        REQUIRE(model.inputs()[0].shape[0].size == -1);
        CHECK(model.inputs()[0].shape[0].name == "N");
        Session session = open(model);
        const Array single = run(session, c.x, c.y.shape, 1);
        const std::int64_t last_macs = session.macs_executed();
        for (const std::int64_t batch : {2, 3, 6}) {
            CHECK(run(session, c.x, c.y.shape, batch).values == single.values);
        }
        CHECK(last_macs > 0);
        CHECK(last_macs < model.macs() + model.lccl_macs());
        CHECK(session.macs_executed() > 3 * last_macs);
    }
    const Model fixed = load(read_case("batch_fixed").model);
    CHECK(fixed.inputs()[0].shape[0].size == 3);
    Session session = open(fixed);
    const Extents two = {2, 5, 6, 4}, scores = {2, 16};
    Array x(two), y(scores);
    const TensorView input{x.values.data(), two};
    const MutableTensorView output{y.values.data(), scores};
    CHECK(contains(
        failure(session, {&input, 1}, {&output, 1}, read_case("batch_fixed").model.string()),
        "has the shape [2, 5, 6, 4] and needs [3, 5, 6, 4]"));
}

TEST_CASE("the batch that inputs bring is told without a run") {
    Session session = open(load(read_case("resnet20_lccl_cifar10", 6).model));
    const float data = 0;
    for (const std::int64_t batch : {1, 5}) {
        const Extents shape = {batch, 3, 32, 32};
        const TensorView input{&data, shape};
        const Result<std::int64_t> told = session.batch_of({&input, 1});
        REQUIRE(told.ok());
        CHECK(told.value() == batch);
    }
    for (const Extents& shape :
         {Extents{0, 3, 32, 32}, Extents{1, 3, 32, 31}, Extents{3, 32, 32}}) {
        const TensorView input{&data, shape};
        CHECK(!session.batch_of({&input, 1}).ok());
    }
    CHECK(!session.batch_of({}).ok());
    CHECK(session.macs_executed() == 0);
    Session fixed = open(load(read_case("batch_fixed").model));
    const Extents three = {3, 5, 6, 4};
    const TensorView input{&data, three};
    CHECK(fixed.batch_of({&input, 1}).value() == 3);
}

TEST_CASE("threads that share out a batch give and count what one thread does") {
    const Case c = read_case("resnet20_lccl_cifar10", 6);
    const Model model = load(c.model);
    const auto densities = [](const Session& session) {
        std::vector<std::int64_t> active;
        for (const GateReading& gate : session.gates()) {
            active.push_back(gate.active);
        }
        return active;
    };
    Session one = open(model);
    const Array expected = run(one, c.x, c.y.shape, 1);
    const std::vector<std::int64_t> last_image = densities(one);
    run(one, c.x, c.y.shape, 6);
    const std::int64_t macs = one.macs_executed();
    REQUIRE(densities(one) == last_image);
    // 4 threads: four images at once, then two that all threads work on.
    for (const int threads : {2, 3, 4, 7}) {
        INFO(threads << " threads");
        SessionOptions options;
        options.threads = threads;
        Session session = open(model, options);
        CHECK(run(session, c.x, c.y.shape, 6).values == expected.values);
        CHECK(session.macs_executed() == macs);
        CHECK(densities(session) == last_image);
        CHECK(run(session, c.x, c.y.shape, 1).values == expected.values);
        CHECK(densities(session) == last_image);
    }
}

TEST_CASE("inputs and outputs are told apart by their order") {
    const Model model = load(case_folder() / "pair.onnx");
    REQUIRE(model.inputs().size() == 2);
    REQUIRE(model.outputs().size() == 2);
    CHECK(model.inputs()[0].name == "a");
    CHECK(model.outputs()[1].name == "difference");
    Session session = open(model);
    const Extents shape = {2, 4, 5, 6};
    Array a(shape), b(shape), sum(shape), difference(shape);
    for (std::size_t i = 0; i < a.values.size(); ++i) {
        a.values[i] = float(i);
        b.values[i] = float(i % 7) * 1000;
    }
    const TensorView inputs[] = {a.view(0, shape), b.view(0, shape)};
    const MutableTensorView outputs[] = {sum.mutable_view(0, shape),
                                         difference.mutable_view(0, shape)};
    REQUIRE(session.run(inputs, outputs).ok());
    for (std::size_t i = 0; i < a.values.size(); ++i) {
        REQUIRE(sum.values[i] == a.values[i] + b.values[i]);
        REQUIRE(difference.values[i] == a.values[i] - b.values[i]);
    }
    const Extents other = {1, 4, 5, 6};
    const TensorView uneven[] = {a.view(0, shape), b.view(0, other)};
    CHECK(contains(failure(session, uneven, outputs, (case_folder() / "pair.onnx").string()),
                   "b: has the shape [1, 4, 5, 6]"));
}

TEST_CASE("any number of threads gives the same scores and masks") {
    for (const char* name : {"resnet20_lccl_cifar10", "resnet20_dense_cifar10"}) {
        const Case c = read_case(name, 3);
        for (const std::string& target : possible_targets()) {
            const Model model = load(c.model, target);
            Session one = open(model);
            const Array expected = run(one, c.x, c.y.shape, 1);
            for (const int threads : shared_among()) {
                INFO(name << " on " << target << ", " << threads << " threads");
                Session session = open(model, {.threads = threads});
                CHECK(run(session, c.x, c.y.shape, 1).values == expected.values);
                CHECK(session.macs_executed() == one.macs_executed());
                for (std::size_t gate = 0; gate < model.gates().size(); ++gate) {
                    CHECK(session.gates()[gate].active == one.gates()[gate].active);
                }
            }
        }
    }
}

TEST_CASE("sessions in several threads share a model") {
    const Case c = read_case("resnet20_lccl_cifar10", 6);
    const Model model = load(c.model);
    Session alone = open(model);
    const Array expected = run(alone, c.x, c.y.shape, 1);
    constexpr int count = 4;
    std::vector<Array> scores(count, Array(c.y.shape));
    std::vector<std::string> failures(count);
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) {
        // Catch2's assertions are for one thread: each notes what it found.
        threads.emplace_back([&, i, shared = model] {
            const Extents x_part = c.x.part(1), y_part = c.y.part(1);
            Result<Session> session = Session::create(shared, {.threads = 1 + i % 2});
            for (std::int64_t n = 0; session.ok() && n < c.x.images(); ++n) {
                // Each begins with another image.
                const std::int64_t image = (n + 5 * i) % c.x.images();
                const TensorView input = c.x.view(image, x_part);
                const MutableTensorView output = scores[std::size_t(i)].mutable_view(image, y_part);
                const Status status = session->run({&input, 1}, {&output, 1});
                failures[std::size_t(i)] += status.ok() ? "" : status.message();
            }
            failures[std::size_t(i)] += session.ok() ? "" : session.status().message();
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (std::size_t i = 0; i < count; ++i) {
        CHECK(failures[i] == "");
        CHECK(scores[i].values == expected.values);
    }
}

TEST_CASE("a session outlives its model and can be moved") {
    const Case c = read_case("chain");
    Session first = [&c] { return open(load(c.model)); }();
    const Array expected = run(first, c.x, c.y.shape, 1);
    Session second = std::move(first);
    CHECK(run(second, c.x, c.y.shape, 1).values == expected.values);
}

TEST_CASE("a number of threads that cannot be is refused") {
    const Model model = load(demo_model());
    for (const int threads : {0, -1, 257, 1 << 30}) {
        const Result<Session> session = Session::create(model, {.threads = threads});
        REQUIRE(!session.ok());
        const std::string message = session.status().message();
        CAPTURE(message);
        CHECK(message.rfind(demo_model().string() + ": ", 0) == 0);
        CHECK(contains(message, std::to_string(threads) + " threads"));
        CHECK(contains(message, "choose 1 to 256"));
    }
}

TEST_CASE("steps and gates are reported") {
    const Case c = read_case("resnet20_lccl_cifar10", 1);
    const Model model = load(c.model);
    Session session = open(model, {.record_steps = true});
    run(session, c.x, c.y.shape, 1);
    REQUIRE(session.steps().size() == model.steps().size());
    std::int64_t macs = 0;
    for (const StepReading& step : session.steps()) {
        CHECK(step.seconds >= 0);
        macs += step.macs;
    }
    CHECK(macs == session.macs_executed());
    // What a gate leaves out is what the run leaves out, and more where the input's does so too.
    double unexplained = double(model.macs() + model.lccl_macs() - macs);
    REQUIRE(session.gates().size() == model.gates().size());
    for (std::size_t i = 0; i < model.gates().size(); ++i) {
        const GateInfo& gate = model.gates()[i];
        CHECK(session.gates()[i].values.empty());
        const double active = double(gate.macs) * session.gates()[i].density();
        double of_layer = 0, of_pairs = 0;
        for (const Algorithm algorithm :
             {Algorithm::gated_conv, Algorithm::winograd_conv, Algorithm::sparse_conv}) {
            for (const std::size_t step : steps_of(model, gate.layer, algorithm)) {
                const double of_step = double(session.steps()[step].macs);
                of_layer += of_step;
                of_pairs += algorithm == Algorithm::sparse_conv ? of_step : 0;
            }
        }
        INFO(gate.layer);
        CHECK((of_pairs > 0 ? of_layer < active : of_layer == Approx(active)));
        unexplained -= double(gate.macs) - of_layer;
    }
    CHECK(unexplained == Approx(0).margin(0.5));
}
