#include <catch2/catch.hpp>

#include "session/cases.h"

using namespace sluice;
using namespace sluice::session_test;

TEST_CASE("a file of symbolic height and width is a model per size, each as in ONNX Runtime") {
    const std::vector<Case> cases = read_cases("size");
    REQUIRE(cases.size() == 2);
    for (const std::string& target : possible_targets()) {
        // Both at once: neither disturbs the other.
        std::vector<Session> sessions;
        for (const Case& c : cases) {
            const ImageSize size{c.x.shape[2], c.x.shape[3]};
            Result<Model> model = Model::load(c.model, {.target = target, .size = size});
            INFO(model.status().message());
            REQUIRE(model.ok());
            CHECK(model->inputs()[0].shape[2].size == size.height);
            CHECK(model->inputs()[0].shape[3].size == size.width);
            sessions.push_back(open(model.value()));
        }
        for (std::size_t i = 0; i < cases.size(); ++i) {
            CAPTURE(target, cases[i].name);
            const Array y = run(sessions[i], cases[i].x, cases[i].y.shape, 2);
            CHECK(relative(y.values.data(), cases[i].y.values.data(), y.values.size()) < 1e-4);
        }
    }
}

TEST_CASE("a symbolic height and width without a size are refused by name") {
    const std::string message = Model::load(read_cases("size")[0].model).status().message();
    CHECK(message.find("'H' (axis 2), 'W' (axis 3)") != std::string::npos);
    CHECK(message.find("--size HxW, ModelOptions::size") != std::string::npos);
}
