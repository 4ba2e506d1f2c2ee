#pragma once

#include <atomic>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "bindings/arrays.h"
#include "sluice/session.h"

namespace sluice::python {

/// A model and a session of it. One run at a time: a second thread's waits for the first one's.
/// What computes or waits does so without the GIL.
class BoundModel {
public:
    using Size = std::pair<std::int64_t, std::int64_t>;

    /// Reads and plans a file. `size` is height and width where the file leaves them symbolic.
    BoundModel(const std::filesystem::path& path, const std::string& target, int threads,
               std::optional<Size> size, bool int8, bool winograd, bool record_gates);
    /// Another session on the same weights.
    BoundModel(const BoundModel& other, int threads);

    /// [(name, (extent or the name of a symbolic batch, ...), element type), ...]
    nb::list inputs() const { return describe(model_.inputs()); }
    nb::list outputs() const { return describe(model_.outputs()); }
    nb::dict metadata() const;
    nb::str target() const { return to_python(model_.target()); }
    nb::str explain() const { return to_python(model_.explain()); }
    /// A dict for each step of the plan, with the fields of StepInfo.
    nb::list steps() const;
    /// MACs per image, LCCL branches apart.
    std::int64_t macs() const { return model_.macs(); }
    std::int64_t lccl_macs() const { return model_.lccl_macs(); }
    int threads() const { return threads_; }
    const Model& model() const { return model_; }
    const std::string& file() const { return file_; }

    /// Outputs, in their order, for an array for each input in their order.
    nb::list run(nb::list arrays);
    /// [(layer, active, total, values or None, grid, macs, skips), ...] of the last run.
    nb::list gates();
    /// MACs of the last run.
    std::int64_t macs_executed();

private:
    BoundModel(Model model, std::string file, int threads, bool record_gates);
    static nb::list describe(const std::vector<TensorInfo>& tensors);
    void check_has_run() const;

    Maker maker_;
    std::string file_;
    Model model_;
    int threads_;
    bool record_gates_;
    Session session_;
    std::mutex session_in_use_;
    std::atomic<bool> has_run_ = false;
};

}  // namespace sluice::python
