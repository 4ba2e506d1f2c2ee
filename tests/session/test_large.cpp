#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "sluice/model.h"
#include "sluice/session.h"

/// Models of many nodes, initialisers or outputs, and small ones that ask for much.
namespace {

using namespace sluice;
using Extents = std::vector<std::int64_t>;
using Names = std::vector<std::string>;

/// A model of input "x" in a file of its own, written as it is built.
class Writer {
public:
    explicit Writer(const Extents& x = {1, 1, 2, 2}) {
        model_.set_ir_version(8);
        model_.add_opset_import()->set_version(17);
        add_info(graph().add_input(), "x", x);
    }

    /// Returns the name of the node's output.
    std::string node(const std::string& op, const Names& inputs) {
        onnx::NodeProto& node = *graph().add_node();
        node.set_op_type(op);
        for (const std::string& name : inputs) {
            node.add_input(name);
        }
        node.add_output("v" + std::to_string(graph().node_size()));
        return node.output(0);
    }
    /// Gives the last node an attribute: a list, or one number.
    void attribute(const std::string& name, const Extents& numbers) {
        onnx::AttributeProto& a = add_attribute(name);
        a.set_type(onnx::AttributeProto::INTS);
        a.mutable_ints()->Assign(numbers.begin(), numbers.end());
    }
    void attribute(const std::string& name, std::int64_t number) {
        onnx::AttributeProto& a = add_attribute(name);
        a.set_type(onnx::AttributeProto::INT);
        a.set_i(number);
    }
    std::string floats(const Extents& shape, float value = 1) {
        onnx::TensorProto& tensor = add_tensor(shape, onnx::TensorProto::FLOAT);
        std::int64_t count = 1;
        for (const std::int64_t extent : shape) {
            count *= extent;
        }
        const std::vector<float> values(std::size_t(count), value);
        tensor.set_raw_data(values.data(), values.size() * sizeof(float));
        return tensor.name();
    }
    std::string ints(const Extents& numbers) {
        onnx::TensorProto& tensor =
            add_tensor({std::int64_t(numbers.size())}, onnx::TensorProto::INT64);
        tensor.set_raw_data(numbers.data(), numbers.size() * sizeof(std::int64_t));
        return tensor.name();
    }
    void output(const std::string& name) { graph().add_output()->set_name(name); }

    Result<Model> load() const {
        const auto file = std::filesystem::temp_directory_path() /
                          ("sluice_large_" + std::to_string(::getpid()) + ".onnx");
        std::ofstream(file, std::ios::binary) << model_.SerializeAsString();
        Result<Model> model = Model::load(file);
        std::filesystem::remove(file);
        return model;
    }

private:
    onnx::GraphProto& graph() { return *model_.mutable_graph(); }
    onnx::AttributeProto& add_attribute(const std::string& name) {
        auto& a = *graph().mutable_node(graph().node_size() - 1)->add_attribute();
        a.set_name(name);
        return a;
    }
    onnx::TensorProto& add_tensor(const Extents& shape, onnx::TensorProto::DataType type) {
        onnx::TensorProto& tensor = *graph().add_initializer();
        tensor.set_name("w" + std::to_string(graph().initializer_size()));
        tensor.set_data_type(type);
        tensor.mutable_dims()->Assign(shape.begin(), shape.end());
        return tensor;
    }
    static void add_info(onnx::ValueInfoProto* info, const std::string& name,
                         const Extents& shape) {
        info->set_name(name);
        auto& type = *info->mutable_type()->mutable_tensor_type();
        type.set_elem_type(onnx::TensorProto::FLOAT);
        for (const std::int64_t extent : shape) {
            type.mutable_shape()->add_dim()->set_dim_value(extent);
        }
    }

    onnx::ModelProto model_;
};

/// `count` nodes one after the other, each with the output of the one before and `more` as inputs.
std::string chain(Writer& w, const std::string& op, int count, const Names& more = {},
                  const std::string& attribute = {}, const Extents& numbers = {}) {
    std::string value = "x";
    for (int i = 0; i < count; ++i) {
        Names inputs = {value};
        inputs.insert(inputs.end(), more.begin(), more.end());
        value = w.node(op, inputs);
        if (!attribute.empty()) {
            w.attribute(attribute, numbers);
        }
    }
    return value;
}

/// About `size` nodes, initialisers, inputs or outputs of one kind.
struct Kind {
    const char* name;
    void (*build)(Writer& w, int size);
};

const Kind kinds[] = {
    {"Identity", [](Writer& w, int size) { w.output(chain(w, "Identity", size)); }},
    {"Relu", [](Writer& w, int size) { w.output(chain(w, "Relu", size)); }},
    {"MaxPool",
     [](Writer& w, int size) {
         w.output(chain(w, "MaxPool", size, {}, "kernel_shape", {1, 1}));
     }},
    {"Slice",
     [](Writer& w, int size) {
         w.output(chain(w, "Slice", size, {w.ints({0}), w.ints({1 << 30})}));
     }},
    {"Reshape",
     [](Writer& w, int size) {
         w.output(chain(w, "Reshape", size, {w.ints({1, 1, 4, 1})}));
     }},
    {"Conv",
     [](Writer& w, int size) {
         w.output(chain(w, "Conv", size, {w.floats({1, 1, 1, 1})}));
     }},
    {"Add of initialisers",
     [](Writer& w, int size) {
         std::string value = "x";
         for (int i = 0; i < size; ++i) {
             value = w.node("Add", {value, w.floats({1})});
         }
         w.output(value);
     }},
    {"Relu and Add",
     [](Writer& w, int size) {
         std::string value = "x";
         for (int i = 0; i < size / 2; ++i) {
             value = w.node("Add", {w.node("Relu", {value}), value});
         }
         w.output(value);
     }},
    {"MatMul and Add",
     [](Writer& w, int size) {
         const Names constants = {w.floats({2, 2}), w.floats({2})};
         std::string value = w.node("Reshape", {"x", w.ints({1, -1})});
         value = w.node("MatMul", {value, w.floats({4, 2})});
         for (int i = 0; i < size / 2; ++i) {
             value = w.node("Add", {w.node("MatMul", {value, constants[0]}), constants[1]});
         }
         w.output(value);
     }},
    {"gates",
     [](Writer& w, int size) {
         const std::string weights = w.floats({1, 1, 1, 1});
         std::string value = "x";
         for (int i = 0; i < size / 4; ++i) {
             const std::string gate = w.node("Relu", {w.node("Conv", {value, weights})});
             value = w.node("Mul", {w.node("Conv", {value, weights}), gate});
         }
         w.output(value);
     }},
    {"gates of one map",
     [](Writer& w, int size) {
         const std::string weights = w.floats({1, 1, 1, 1});
         const std::string gate = w.node("Relu", {w.node("Conv", {"x", weights})});
         for (int i = 0; i < size / 2; ++i) {
             w.output(w.node("Mul", {w.node("Conv", {"x", weights}), gate}));
         }
     }},
    {"gates of ever deeper maps",
     [](Writer& w, int size) {
         const std::string weights = w.floats({1, 1, 1, 1});
         std::string value = "x", gate = w.node("Relu", {"x"});
         for (int i = 0; i < size / 3; ++i) {
             gate = w.node("MaxPool", {gate});
             w.attribute("kernel_shape", {1, 1});
             value = w.node("Mul", {w.node("Conv", {value, weights}), gate});
         }
         w.output(value);
     }},
    {"readers of one Pad",
     [](Writer& w, int size) {
         const std::string weights = w.floats({1, 1, 3, 3});
         const std::string pad = w.node("Pad", {"x", w.ints({0, 0, 1, 1, 0, 0, 1, 1})});
         for (int i = 0; i < size; ++i) {
             w.output(w.node("Conv", {pad, weights}));
         }
     }},
    {"values that live to the end",
     [](Writer& w, int size) {
         Names values = {"x"};
         for (int i = 0; i < size / 2; ++i) {
             values.push_back(w.node("Softmax", {values.back()}));
         }
         std::string product = values.back();
         for (int i = size / 2; i-- > 0;) {
             product = w.node("Mul", {product, values[std::size_t(i)]});
         }
         w.output(product);
     }},
    {"inputs of one Concat",
     [](Writer& w, int size) {
         Names values;
         for (int i = 0; i < size / 2; ++i) {
             values.push_back(w.node("Relu", {"x"}));
         }
         const std::string joined = w.node("Concat", values);
         w.attribute("axis", 1);
         w.output(joined);
     }},
    {"outputs",
     [](Writer& w, int size) {
         for (int i = 0; i < size; ++i) {
             w.output(w.node("Relu", {"x"}));
         }
     }},
    {"nodes and initialisers that nothing reads",
     [](Writer& w, int size) {
         w.output(w.node("Relu", {"x"}));
         for (int i = 0; i < size; ++i) {
             w.node("Nothing", {"x", w.floats({1})});
         }
     }},
    {"constants of constants",
     [](Writer& w, int size) {
         std::string value = w.floats({1, 1, 2, 2});
         for (int i = 0; i < size / 2; ++i) {
             value = w.node("Identity", {w.node("Mul", {value, value})});
         }
         w.output(w.node("Add", {"x", value}));
     }},
};

double cpu_seconds() {
    std::timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

struct Tensors {
    std::vector<Extents> shapes;
    std::vector<std::vector<float>> values;

    explicit Tensors(const std::vector<TensorInfo>& infos) {
        for (const TensorInfo& info : infos) {
            std::size_t count = 1;
            shapes.emplace_back();
            for (const Dimension& dimension : info.shape) {
                shapes.back().push_back(dimension.size);
                count *= std::size_t(dimension.size);
            }
            values.emplace_back(count, 1.F);
        }
    }
};

/// Of loading a model and of running it once.
double seconds_of(const Kind& kind, int size) {
    Writer w;
    kind.build(w, size);
    const double start = cpu_seconds();
    const Result<Model> model = w.load();
    INFO(model.status().message());
    REQUIRE(model.ok());
    Result<Session> session = Session::create(model.value());
    REQUIRE(session.ok());
    Tensors inputs(model->inputs()), outputs(model->outputs());
    std::vector<TensorView> from;
    std::vector<MutableTensorView> to;
    for (std::size_t i = 0; i < inputs.values.size(); ++i) {
        from.push_back({inputs.values[i].data(), inputs.shapes[i]});
    }
    for (std::size_t i = 0; i < outputs.values.size(); ++i) {
        to.push_back({outputs.values[i].data(), outputs.shapes[i]});
    }
    REQUIRE(session->run(from, to).ok());
    return cpu_seconds() - start;
}

std::string failure(const Writer& w) {
    const Result<Model> model = w.load();
    return model.ok() ? "none" : model.status().message();
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("eight times the nodes take about eight times the time") {
    constexpr int size = 5000;
    constexpr double most = 40;  // caches make it 25, quadratic time 64
    for (const Kind& kind : kinds) {
        double few = 1e9, many = 1e9;
        for (int trial = 0; trial < 4 && (trial < 1 || many > most * few); ++trial) {
            few = std::min({few, seconds_of(kind, size), seconds_of(kind, size)});
            many = std::min(many, seconds_of(kind, 8 * size));
        }
        INFO(kind.name << ": " << few << " s and " << many << " s");
        CHECK(many < most * few);
    }
}

TEST_CASE("a small file cannot ask for constants without end") {
    Writer filled;
    const std::string much = filled.node("ConstantOfShape", {filled.ints({1 << 26})});
    const std::string one = filled.node("Slice", {much, filled.ints({0}), filled.ints({1})});
    filled.output(filled.node("Add", {"x", one}));
    CHECK(contains(failure(filled), "would make a constant of [67108864]"));

    Writer counted;
    const Names range = {counted.ints({0}), counted.ints({1 << 26}), counted.ints({1})};
    counted.output(counted.node("Unsqueeze", {"x", counted.node("Range", range)}));
    CHECK(contains(failure(counted), "would make a constant of [67108864]"));

    Writer copied;
    std::string value = copied.floats({1, 1, 500, 500});
    for (int i = 0; i < 1000; ++i) {
        value = copied.node("Reshape", {value, copied.ints({1, 1, 500, 500})});
    }
    copied.output(copied.node("Add", {"x", value}));
    CHECK(contains(failure(copied), "would make a constant of [1, 1, 500, 500]"));

    Writer shared({1, 100, 4, 4});
    shared.output(
        chain(shared, "Conv", 1000, {shared.floats({100, 100, 3, 3})}, "pads", {1, 1, 1, 1}));
    CHECK(contains(failure(shared), "has nodes that read constants of 90100000 elements"));

    Writer scaled({1, 10000, 1, 1});
    scaled.output(chain(scaled, "Mul", 10000, {scaled.floats({1})}));
    CHECK(contains(failure(scaled), "has nodes that read constants of 100010000 elements"));
}

TEST_CASE("what costs no memory is not refused") {
    Writer measured({1, 4});
    const std::string much = measured.node("ConstantOfShape", {measured.ints({64, 64, 64, 512})});
    const std::string extents = measured.node("Cast", {measured.node("Shape", {much})});
    measured.attribute("to", 1);
    measured.output(measured.node("Add", {"x", extents}));
    CHECK(failure(measured) == "none");

    Writer named({1, 1, 500, 500});
    std::string value = named.floats({1, 1, 500, 500});
    for (int i = 0; i < 1000; ++i) {
        value = named.node("Identity", {value});
    }
    named.output(named.node("Add", {"x", value}));
    CHECK(failure(named) == "none");

    // As an exporter may write a large layer.
    Writer turned({1, 1000});
    std::string weights = turned.floats({500, 1000});
    for (int i = 0; i < 3; ++i) {
        weights = turned.node("Transpose", {weights});
    }
    turned.output(turned.node("MatMul", {"x", weights}));
    CHECK(failure(turned) == "none");
}
