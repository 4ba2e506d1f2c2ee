#include <algorithm>
#include <cstring>

#include "plan/plan.h"

namespace sluice {

std::string explain(const Plan& plan) {
    std::size_t node_width = 0, kernel_width = 0, shape_width = 0;
    for (const Step& step : plan.steps) {
        node_width = std::max(node_width, step.node.size());
        kernel_width = std::max(kernel_width, std::strlen(step.kernel->name));
        shape_width = std::max(shape_width, step.shape.size());
    }
    const auto pad = [](std::string text, std::size_t width) {
        text.resize(std::max(width, text.size()), ' ');
        return text + "  ";
    };
    std::string text =
        plan.file + ": target " + plan.target_id + ", " + std::to_string(plan.steps.size()) +
        " steps, " + std::to_string(plan.arena_bytes / 1024) + " KiB of activations, " +
        std::to_string(plan.constants.size() / 1024) + " KiB of weights, " +
        std::to_string(plan.macs) + " MACs and " + std::to_string(plan.branch_macs) +
        " of the LCCL branches" +
        (plan.batch_remark.empty() ? "" : ", one image per run: " + plan.batch_remark) + "\n";
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const Step& step = plan.steps[i];
        std::string number = std::to_string(i);
        number.insert(0, 4 - std::min<std::size_t>(number.size(), 4), ' ');
        text += number + "  " + pad(step.node, node_width) + pad(step.kernel->name, kernel_width) +
                pad(step.shape, shape_width);
        if (step.macs_per_entry > 0) {
            const bool of_pairs = step.kernel->algorithm == Algorithm::sparse_conv;
            text += std::to_string(step.macs_per_entry) +
                    (of_pairs ? " MACs per pair  " : " MACs per position  ");
        } else if (step.macs > 0) {
            text += std::to_string(step.macs) + " MACs  ";
        }
        if (step.packed_bytes > 0) {
            text += std::to_string(step.packed_bytes) + " B packed  ";
        }
        text += step.remark;
        for (const Chain& chain : plan.chains) {
            if (chain.first <= i && i <= chain.last) {
                text += (step.remark.empty() ? "in turns with " : "; in turns with ") +
                        std::to_string(chain.first) + " to " + std::to_string(chain.last);
            }
        }
        text.erase(text.find_last_not_of(' ') + 1);
        text += "\n";
    }
    return text;
}

}  // namespace sluice
