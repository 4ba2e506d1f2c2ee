/// test_targets TARGET MODEL: loads the model for the target and runs it over zeros. Exits with 77,
/// which ctest shows as skipped, where this CPU lacks the target, and with 1 where a step fails.
/// Other folders test what it computes.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "kernels/cpu.h"
#include "kernels/registry.h"
#include "sluice/session.h"

namespace {

using namespace sluice;

constexpr int skipped = 77;

struct Values {
    std::vector<std::int64_t> shape;
    std::vector<float> values;

    explicit Values(const TensorInfo& info) {
        std::int64_t size = 1;
        for (const Dimension& extent : info.shape) {
            shape.push_back(std::max<std::int64_t>(extent.size, 1));  // a symbolic batch is one
            size *= shape.back();
        }
        values.resize(std::size_t(size));
    }
};

Status run(const std::string& target, const std::string& file) {
    const Result<Model> model = Model::load(file, {.target = target});
    if (!model.ok()) {
        return model.status();
    }
    Result<Session> session = Session::create(model.value());
    if (!session.ok()) {
        return session.status();
    }
    const Values x(model.value().inputs().at(0));
    Values y(model.value().outputs().at(0));
    const TensorView input{x.values.data(), x.shape};
    const MutableTensorView output{y.values.data(), y.shape};
    const Status done = session->run({&input, 1}, {&output, 1});
    if (!done.ok()) {
        return done;
    }
    for (const float score : y.values) {
        if (!std::isfinite(score) || score == 0) {
            return Status::error("gives a score of " + std::to_string(score));
        }
    }
    return model.value().target() == target
               ? Status()
               : Status::error("runs on " + model.value().target() + " instead");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: test_targets TARGET MODEL\n", stderr);
        return 2;
    }
    const std::string target = argv[1];
    for (const Target& row : targets()) {
        if (row.id == target && !cpu_has(row.requires_)) {
            std::printf("skipped: this CPU lacks one of %s\n", row.requires_);
            return skipped;
        }
    }
    const Status done = run(target, argv[2]);
    std::printf("%s: %s\n", target.c_str(), done.ok() ? "runs" : done.message().c_str());
    return done.ok() ? 0 : 1;
}
