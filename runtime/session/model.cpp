#include "sluice/model.h"

#include <set>

#include "graph/freed_memory.h"
#include "kernels/registry.h"
#include "passes/load_graph.h"
#include "plan/data_flow.h"
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
    std::vector<DataFlow> flows = data_flow(plan_->steps);
    const auto names = [](const std::vector<TensorInfo>& tensors, const std::set<int>& indices) {
        std::vector<std::string> names;
        for (const int index : indices) {
            names.push_back(tensors[std::size_t(index)].name);
        }
        return names;
    };
    for (std::size_t i = 0; i < plan_->steps.size(); ++i) {
        const Step& step = plan_->steps[i];
        const DataFlow& flow = flows[i];
        steps.push_back({step.node,
                         step.kernel->name,
                         step.shape,
                         step.kernel->algorithm_name,
                         step.macs,
                         step.macs_per_entry,
                         step.packed_bytes,
                         step.remark,
                         {flow.reads.begin(), flow.reads.end()},
                         names(plan_->inputs, flow.inputs),
                         names(plan_->outputs, flow.outputs)});
    }
    return steps;
}

std::int64_t Model::macs() const { return plan_->macs; }
std::int64_t Model::lccl_macs() const { return plan_->branch_macs; }
std::string Model::explain() const { return sluice::explain(*plan_); }

const std::string& Model::target() const { return plan_->target_id; }

}  // namespace sluice
