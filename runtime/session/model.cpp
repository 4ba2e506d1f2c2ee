#include "sluice/model.h"

#include "graph/freed_memory.h"
#include "kernels/registry.h"
#include "passes/load_graph.h"
#include "plan/plan.h"
#include "session/no_memory.h"

namespace sluice {

const char* to_string(DataType type) {
    switch (type) {
        case DataType::uint8:
            return "uint8";
        case DataType::int8:
            return "int8";
        default:
            return "float32";
    }
}

int size_of(DataType type) { return type == DataType::float32 ? 4 : 1; }

Model::Model(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)) {}

Result<Model> Model::load(const std::filesystem::path& path, const ModelOptions& options) {
    return unless_no_memory(path.native(), "to load it", [&]() -> Result<Model> {
        const auto target = choose_target(options.target);
        if (!target.ok()) {
            return target.status();
        }
        auto graph = load_graph(path, options.size, options.int8);
        if (!graph.ok()) {
            return graph.status();
        }
        auto plan = make_plan(std::move(graph).value(), *target.value(),
                              {.winograd = options.winograd, .cache_bytes = options.cache_bytes});
        return_freed_memory();
        if (!plan.ok()) {
            return plan.status();
        }
        return Model(std::move(plan).value());
    });
}

const std::vector<TensorInfo>& Model::inputs() const { return plan_->inputs; }
const std::vector<TensorInfo>& Model::outputs() const { return plan_->outputs; }
const std::map<std::string, std::string>& Model::metadata() const { return plan_->metadata; }
const std::vector<GateInfo>& Model::gates() const { return plan_->gates; }

std::vector<StepInfo> Model::steps() const {
    std::vector<StepInfo> steps;
    for (const Step& step : plan_->steps) {
        steps.push_back({step.node, step.kernel->name, step.shape});
    }
    return steps;
}

std::int64_t Model::macs() const { return plan_->macs; }
std::int64_t Model::lccl_macs() const { return plan_->branch_macs; }
std::string Model::explain() const { return sluice::explain(*plan_); }

const std::string& Model::target() const { return plan_->target_id; }

}  // namespace sluice
