#include "session/cases.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "kernels/cpu.h"
#include "kernels/registry.h"

namespace sluice::session_test {
namespace {

Array read_array(const nlohmann::json& entry) {
    Array array(entry["shape"].get<Extents>());
    const auto path = case_folder() / entry["file"].get<std::string>();
    std::ifstream stream(path, std::ios::binary);
    const auto bytes = std::streamsize(array.values.size() * sizeof(float));
    stream.read(reinterpret_cast<char*>(array.values.data()), bytes);
    INFO(path);
    REQUIRE(stream.gcount() == bytes);
    return array;
}

void keep_first(Array& array, std::int64_t images) {
    REQUIRE(images <= array.images());
    array.values.resize(array.image_size() * std::size_t(images));
    array.shape[0] = images;
}

void keep_first(Case& c, std::int64_t images) {
    keep_first(c.x, images);
    keep_first(c.y, images);
    for (RecordedGate& gate : c.gates) {
        keep_first(gate.values, images);
    }
}

/// The first `images` of it; 0: all.
Case parse_case(const nlohmann::json& entry, std::int64_t images) {
    Case c{entry["name"],
           std::filesystem::path(entry["model"].get<std::string>()),
           read_array(entry["x"]),
           read_array(entry["y"]),
           {}};
    for (const auto& gate : entry["gates"]) {
        c.gates.push_back({gate["layer"], read_array(gate)});
    }
    if (images > 0) {
        keep_first(c, images);
    }
    return c;
}

nlohmann::json read_list() {
    std::ifstream stream(case_folder() / "cases.json");
    INFO(case_folder());
    REQUIRE(stream);
    return nlohmann::json::parse(stream);
}

}  // namespace

Array::Array(Extents extents) : shape(std::move(extents)) {
    std::size_t size = 1;
    for (const std::int64_t extent : shape) {
        size *= std::size_t(extent);
    }
    values.resize(size);
}

Extents Array::part(std::int64_t count) const {
    Extents extents = shape;
    extents[0] = count;
    return extents;
}

std::filesystem::path case_folder() {
    const char* other = std::getenv("SLUICE_SESSION_CASES");
    return other ? other : SLUICE_SESSION_CASES;
}

std::int64_t compared_images() {
    return std::getenv("SLUICE_SESSION_CASES") ? 0 : SLUICE_SESSION_IMAGES;
}

std::vector<int> shared_among() { return SLUICE_SESSION_THREADS; }

std::vector<Case> read_cases(const std::string& kind, std::int64_t images) {
    std::vector<Case> cases;
    for (const auto& entry : read_list()) {
        if (entry["kind"] == kind) {
            cases.push_back(parse_case(entry, images));
        }
    }
    REQUIRE(!cases.empty());
    return cases;
}

std::vector<LayoutCase> read_layout_cases() {
    std::vector<LayoutCase> cases;
    for (const auto& entry : read_list()) {
        if (entry["kind"] == "layout") {
            LayoutCase c{
                entry["name"], entry["model"].get<std::string>(), read_array(entry["x"]), {}};
            for (const auto& output : entry["outputs"]) {
                c.outputs.push_back(read_array(output));
            }
            cases.push_back(std::move(c));
        }
    }
    REQUIRE(!cases.empty());
    return cases;
}

Case read_case(const std::string& name, std::int64_t images) {
    for (const auto& entry : read_list()) {
        if (entry["name"] == name) {
            return parse_case(entry, images);
        }
    }
    FAIL("no case " << name);
    std::abort();
}

std::filesystem::path demo_model() { return read_case("resnet20_lccl_cifar10").model; }

std::vector<std::string> possible_targets() {
    std::vector<std::string> possible;
    for (const Target& target : targets()) {
        if (cpu_has(target.requires_)) {
            possible.emplace_back(target.id);
        } else {
            WARN("skipped, not on this CPU: " << target.id);
        }
    }
    REQUIRE(!possible.empty());
    return possible;
}

std::vector<std::string> float_targets() {
    std::vector<std::string> possible = possible_targets();
    std::erase_if(possible, [](const std::string& id) {
        const auto all = targets();
        return std::any_of(all.begin(), all.end(), [&id](const Target& target) {
            return target.id == id && target.base[0] != '\0';
        });
    });
    return possible;
}

Model load(const std::filesystem::path& path, const std::string& target, bool winograd,
           std::int64_t cache_bytes) {
    Result<Model> model =
        Model::load(path, {.target = target, .winograd = winograd, .cache_bytes = cache_bytes});
    INFO(model.status().message());
    REQUIRE(model.ok());
    return std::move(model).value();
}

const Kernel& kernel_named(const std::string& name) {
    const auto found = std::find_if(kernels().begin(), kernels().end(),
                                    [&](const Kernel& kernel) { return kernel.name == name; });
    REQUIRE(found != kernels().end());
    return *found;
}

bool uses_winograd(const Model& model) {
    const std::vector<StepInfo> steps = model.steps();
    return std::any_of(steps.begin(), steps.end(), [](const StepInfo& step) {
        return kernel_named(step.kernel).algorithm == Algorithm::winograd_conv;
    });
}

std::vector<std::size_t> steps_of(const Model& model, const std::string& layer, Algorithm algorithm,
                                  GateForm gate) {
    std::vector<std::size_t> found;
    const std::vector<StepInfo> steps = model.steps();
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (steps[i].node != layer) {
            continue;
        }
        const Kernel& kernel = kernel_named(steps[i].kernel);
        if (kernel.algorithm == algorithm && kernel.gate == gate) {
            found.push_back(i);
        }
    }
    return found;
}

std::int64_t macs_of(const Model& model, const Session& session, const std::string& layer,
                     Algorithm algorithm, GateForm gate) {
    std::int64_t macs = 0;
    for (const std::size_t step : steps_of(model, layer, algorithm, gate)) {
        macs += session.steps()[step].macs;
    }
    return macs;
}

Session open(const Model& model, const SessionOptions& options) {
    Result<Session> session = Session::create(model, options);
    INFO(session.status().message());
    REQUIRE(session.ok());
    return std::move(session).value();
}

Array run(Session& session, const Array& x, const Extents& y_shape, std::int64_t batch) {
    Array y(y_shape);
    const Extents x_part = x.part(batch), y_part = y.part(batch);
    for (std::int64_t first = 0; first < x.images(); first += batch) {
        const TensorView input = x.view(first, x_part);
        const MutableTensorView output = y.mutable_view(first, y_part);
        const Status status = session.run({&input, 1}, {&output, 1});
        INFO(status.message());
        REQUIRE(status.ok());
    }
    return y;
}

double relative(const float* actual, const float* expected, std::size_t count) {
    double largest = 0, worst = 0;
    for (std::size_t i = 0; i < count; ++i) {
        largest = std::max(largest, std::abs(double(expected[i])));
        const double difference = std::abs(double(actual[i]) - double(expected[i]));
        worst = std::isnan(difference) ? std::numeric_limits<double>::infinity()
                                       : std::max(worst, difference);
    }
    return largest > 0 ? worst / largest : worst;
}

void run_each(Session& session, const Case& c, const std::function<void()>& look) {
    const Extents x_part = c.x.part(1), y_part = c.y.part(1);
    Array y(y_part);
    for (std::int64_t image = 0; image < c.x.images(); ++image) {
        const TensorView input = c.x.view(image, x_part);
        const MutableTensorView output = y.mutable_view(0, y_part);
        REQUIRE(session.run({&input, 1}, {&output, 1}).ok());
        look();
    }
}

}  // namespace sluice::session_test
