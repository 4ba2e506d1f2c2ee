#include "benchmark/report_tables.h"

#include <algorithm>

namespace sluice::benchmark {
namespace {

/// Of a peak; "-" where that is not known.
std::string share(double rate, double peak) { return peak > 0 ? apps::percent(rate / peak) : "-"; }

std::string agreement(const NetworkResult& row) {
    if (!row.problem.empty()) {
        return row.problem;
    }
    return row.agrees ? "agrees" : "not compared";
}

std::string name_of(const NetworkResult& row) {
    return row.file + (row.weights == "trained" ? "" : " (" + row.weights + " weights)");
}

std::string kind_of(const KernelResult& row) {
    const bool on_tiles = row.tiles > 0 && !row.is_winograd();
    return row.family + (row.is_generic ? ", generic" : "") + (on_tiles ? ", on tiles" : "");
}

std::string remark_on(const KernelResult& row) {
    if (row.times && row.is_int8()) {
        return "GOPS, of the int8 peak";
    }
    return row.times && row.is_winograd() ? "GFLOPS of the direct sum's MACs" : row.problem;
}

}  // namespace

apps::Table network_table(std::span<const NetworkResult> rows, const Machine& machine) {
    apps::Table table{
        {"file", "variant", "engine", "inputs", "threads", "batch", "ms", "p10", "p90",
         "MMACs executed", "GFLOPS", "of peak", "peak MB", "load ms", "answer"},
        4,
        true,
        {}};
    for (const NetworkResult& row : rows) {
        const std::string engine = row.engine + (row.target.empty() ? "" : " " + row.target);
        std::vector<std::string> cells = {name_of(row),
                                          row.variant,
                                          engine,
                                          row.inputs,
                                          std::to_string(row.threads),
                                          std::to_string(row.batch)};
        if (row.times) {
            const double peak = machine.peak(row.is_int8) * row.threads;
            for (const std::string& cell :
                 {apps::fixed(row.times->median_ms, 3), apps::fixed(row.times->p10_ms, 3),
                  apps::fixed(row.times->p90_ms, 3), apps::fixed(row.macs_executed / 1e6, 2),
                  apps::fixed(row.gflops(), 1), share(row.gflops(), peak),
                  apps::fixed(row.peak_rss_mb, 1), apps::fixed(row.load_ms, 1)}) {
                cells.push_back(cell);
            }
        } else {
            cells.resize(table.head.size() - 1, "-");
        }
        cells.push_back(agreement(row));
        table.rows.push_back(cells);
    }
    return table;
}

apps::Table kernel_table(std::span<const KernelResult> rows, const Machine& machine) {
    apps::Table table{{"layer", "kernel", "target", "density", "us", "p10", "p90", "GFLOPS",
                       "of peak", "against proportional", "against direct", "break-even", "remark"},
                      3,
                      true,
                      {}};
    for (const KernelResult& row : rows) {
        const std::string layer = std::to_string(row.height) + "x" + std::to_string(row.width) +
                                  "x" + std::to_string(row.channels);
        std::vector<std::string> cells = {layer, kind_of(row), row.target};
        if (row.times) {
            const std::string sign = row.departure.value_or(0) > 0 ? "+" : "";
            for (const std::string& cell :
                 {apps::fixed(row.density, 2), apps::fixed(row.times->median_ms * 1000, 1),
                  apps::fixed(row.times->p10_ms * 1000, 1),
                  apps::fixed(row.times->p90_ms * 1000, 1), apps::fixed(row.gflops(), 1),
                  share(row.gflops(), machine.peak(row.is_int8())),
                  row.departure ? sign + apps::percent(*row.departure) : "-",
                  row.speed_up ? apps::fixed(*row.speed_up, 2) + "x" : "-",
                  row.break_even ? apps::fixed(*row.break_even, 2) : "-"}) {
                cells.push_back(cell);
            }
        } else {
            cells.resize(table.head.size() - 1, "-");
        }
        cells.push_back(remark_on(row));
        table.rows.push_back(cells);
    }
    return table;
}

apps::Table layer_table(std::span<const LayerResult> rows) {
    apps::Table table{{"file", "layer", "shape", "dense kernel", "density", "dense us", "gated us",
                       "of these branch", "theoretical", "realised", "kept"},
                      4,
                      false,
                      {}};
    for (const LayerResult& row : rows) {
        table.rows.push_back(
            {row.network, row.layer, row.shape, row.dense_kernel, apps::fixed(row.density, 3),
             apps::fixed(row.dense_ms * 1000, 1), apps::fixed(row.gated_ms * 1000, 1),
             apps::fixed(row.branch_ms * 1000, 1), apps::fixed(row.theoretical(), 2) + "x",
             apps::fixed(row.realised(), 2) + "x",
             apps::percent(row.realised() * row.executed_share)});
    }
    return table;
}

std::vector<LayerResult> merge_by_shape(std::span<const LayerResult> rows) {
    std::vector<LayerResult> merged;
    std::vector<int> counts;
    for (const LayerResult& row : rows) {
        const auto same = [&row](const LayerResult& other) {
            return other.network == row.network && other.shape == row.shape &&
                   other.dense_kernel == row.dense_kernel;
        };
        const auto found = std::find_if(merged.begin(), merged.end(), same);
        const auto at = static_cast<std::size_t>(found - merged.begin());
        if (found == merged.end()) {
            merged.push_back(row);
            counts.push_back(1);
            continue;
        }
        ++counts[at];
        found->density += row.density;
        found->gated_ms += row.gated_ms;
        found->branch_ms += row.branch_ms;
        found->dense_ms += row.dense_ms;
        found->executed_share += row.executed_share;  // of as many dense MACs each
    }
    for (std::size_t i = 0; i < merged.size(); ++i) {
        LayerResult& row = merged[i];
        row.layer = std::to_string(counts[i]) + (counts[i] == 1 ? " layer" : " layers");
        for (double* mean :
             {&row.density, &row.gated_ms, &row.branch_ms, &row.dense_ms, &row.executed_share}) {
            *mean /= counts[i];
        }
    }
    return merged;
}

apps::Table step_table(std::span<const StepResult> rows, const Machine& machine) {
    apps::Table table{
        {"file", "step", "kernel", "shape", "us", "of all", "GFLOPS", "of peak"}, 4, false, {}};
    for (const StepResult& row : rows) {
        double whole = 0;
        for (const StepResult& other : rows) {
            whole += other.network == row.network ? other.ms : 0;
        }
        const double rate = row.macs > 0 ? apps::gflops(row.macs, row.ms) : 0;
        table.rows.push_back(
            {row.network, row.node, row.kernel, row.shape, apps::fixed(row.ms * 1000, 1),
             apps::percent(row.ms / whole), row.macs > 0 ? apps::fixed(rate, 1) : "-",
             row.macs > 0 ? share(rate, machine.peak(row.kernel.starts_with("int8_"))) : "-"});
    }
    return table;
}

std::string describe(const Machine& machine) {
    return machine.cpu + ", " + std::to_string(machine.cores) +
           (machine.cores == 1 ? " core" : " cores") + "; of one core with " + machine.target +
           ": FMA peak " + apps::fixed(machine.fma_peak_gflops, 1) + " GFLOPS, " +
           (machine.int8_peak_gops > 0
                ? "int8 peak " + apps::fixed(machine.int8_peak_gops, 1) + " GOPS, "
                : "") +
           "reads " + apps::fixed(machine.cache_gbps, 0) + " GB/s from cache and " +
           apps::fixed(machine.memory_gbps, 0) + " GB/s from memory";
}

}  // namespace sluice::benchmark
