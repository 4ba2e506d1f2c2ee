#include <catch2/catch.hpp>

#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <random>

#include "session/cases.h"

namespace {

using namespace sluice;
using namespace sluice::session_test;

/// Beyond this a damaged model is planned and not run: it would take the machine's memory.
constexpr std::int64_t most_elements = 1 << 20;

/// On a machine that has little time for the test: enough for both outcomes.
constexpr int least_trials = 80;

std::string bytes_of(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

/// Zeros of a tensor's shape, one image of it; none where they are too many.
std::vector<Array> zeros_for(const std::vector<TensorInfo>& tensors) {
    std::vector<Array> arrays;
    for (const TensorInfo& info : tensors) {
        Extents shape;
        std::int64_t elements = 1;
        for (const Dimension& dimension : info.shape) {
            shape.push_back(dimension.size < 0 ? 1 : dimension.size);
            elements = std::min(elements, most_elements) * shape.back();
        }
        if (elements > most_elements) {
            return {};
        }
        arrays.emplace_back(shape);
    }
    return arrays;
}

/// Loads the file and runs what comes of it. Every failure names the file, in one line.
enum class Outcome { refused, run };
Outcome try_model(const std::filesystem::path& file) {
    const Result<Model> model = Model::load(file);
    if (!model.ok()) {
        const std::string message = model.status().message();
        INFO(message);
        REQUIRE(message.rfind(file.string(), 0) == 0);
        REQUIRE(message.find('\n') == std::string::npos);
        REQUIRE(!model.status().problem().remedy.empty());
        return Outcome::refused;
    }
    std::vector<Array> inputs = zeros_for(model->inputs()), outputs = zeros_for(model->outputs());
    if (inputs.size() != model->inputs().size() || outputs.size() != model->outputs().size()) {
        return Outcome::refused;
    }
    Result<Session> session = Session::create(model.value());
    REQUIRE(session.ok());
    std::vector<TensorView> from;
    std::vector<MutableTensorView> to;
    for (const Array& array : inputs) {
        from.push_back(array.view(0, array.shape));
    }
    for (Array& array : outputs) {
        to.push_back(array.mutable_view(0, array.shape));
    }
    const Status status = session->run(from, to);
    INFO(status.message());
    REQUIRE(status.ok());
    return Outcome::run;
}

}  // namespace

TEST_CASE("damaged models are refused or run, and never crash") {
    const unsigned seed = 20261124;
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const auto draw = [&random](std::size_t below) { return std::size_t(random()) % below; };
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() / ("sluice_" + std::to_string(::getpid()) + ".onnx");
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    const std::vector<Case> cases = read_cases("small");
    std::size_t refused = 0, ran = 0;
    for (int trial = 0; trial < least_trials || std::chrono::steady_clock::now() < deadline;
         ++trial) {
        const Case& c = cases[draw(cases.size())];
        std::string bytes = bytes_of(c.model);
        REQUIRE(!bytes.empty());
        if (trial % 4 == 0) {
            bytes.resize(draw(bytes.size()));
        } else {
            for (std::size_t flips = 1 + draw(3); flips > 0; --flips) {
                // Weights fill most of a file: half of the flips go to what describes the network.
                bytes[draw(draw(2) ? bytes.size() : std::min<std::size_t>(bytes.size(), 600))] =
                    char(random());
            }
        }
        std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
        INFO(c.name << ", trial " << trial);
        ++(try_model(file) == Outcome::run ? ran : refused);
    }
    std::filesystem::remove(file);
    CHECK(refused > 10);
    CHECK(ran > 10);
}
