#include "benchmark/markdown.h"

#include "benchmark/kernel_times.h"
#include "benchmark/plot.h"
#include "benchmark/report_tables.h"
#include "common/layer_run.h"
#include "common/table.h"

namespace sluice::benchmark {

std::string network_method() {
    return "Each engine runs in a process of its own, all on the same cores. They alternate every "
           "40 ms or so, after the scores of all inputs agreed within 0.1% of the largest, "
           "of quantised networks within 10%, because each engine rounds in its own way. One "
           "that "
           "disagrees gets no times. Times are per run of the batch, MACs per image. Engines other "
           "than ours compute every MAC, the LCCL branches among them. Peak memory is of the whole "
           "process, for the peers with Python and numpy in it. Load is from reading the file to "
           "the first scores; ncnn's conversion from ONNX is not in it. Each engine has its best "
           "settings for float32: ONNX Runtime all optimisations, OpenVINO its latency hint, ncnn "
           "its defaults, Winograd among them, and one image at a time. Winograd multiplies less "
           "than the MACs that are counted, so that it can pass 100% of the peak.";
}

std::string kernel_method() {
    return "The kernels of int8 multiply bytes: their GFLOPS are GOPS, of the int8 peak. "
           "The convolution kernels alone, 3x3 with stride 1 and as many channels out as in (the "
           "depthwise ones of each channel by itself), on one "
           "thread, alternating, with random gates, in CPU time. GFLOPS count active MACs only, "
           "those of the direct sum for Winograd's kernels too: F(4x4, 3x3) multiplies a quarter "
           "of "
           "them and F(2x2, 3x3) 4 of 9, so that they can pass 100% of the FMA peak. The gated "
           "ones "
           "among them have a gate per tile of 4x4 or 2x2 outputs, of which the density is the "
           "active share; gated_conv on tiles computes the outputs of the same tiles. Where the "
           "side does not divide the map's, tiles overlap. The column against proportional says "
           "how "
           "much longer a kernel takes than its time at density 1 times the share of active "
           "positions, or tiles. The column against direct is the direct kernel's time over "
           "Winograd's on the same positions. The break-even, a tile's time over that of its "
           "positions one by one, is the share of them that must be active for Winograd to take "
           "less time. Answers are first compared with scalar loops: they may differ by " +
           short_number(apps::direct_tolerance) +
           " of the largest value, Winograd's, whose transforms multiply the rounding about "
           "tenfold, by " +
           short_number(apps::winograd_tolerance) + ".";
}

std::string layer_method() {
    return "On one thread, image by image. Theoretical is dense MACs over executed MACs, the LCCL "
           "branch's counted. Realised is the time of the kernel that our plan computes the layer "
           "by where it has no gate, Winograd's where that takes less, over that of all steps of "
           "the gated layer that ran: branch, position list, tiles, convolution, and constants at "
           "skipped positions. Both are measured alternately. Winograd multiplies less than the "
           "MACs that are counted, gated or dense, so that the realised part can fall below the "
           "theoretical one where it serves the dense layer alone, and pass it where it serves the "
           "gated one.";
}

std::string to_markdown(const Report& report) {
    std::string text = "# Benchmarks\n\nWritten by `apps/benchmark`. " + describe(report.machine) +
                       ". All figures are fp32.\n";
    if (!report.networks.empty()) {
        text += "\n## Networks\n\n" + network_method() + "\n\n" +
                to_markdown(network_table(report.networks, report.machine));
    }
    if (!report.layers.empty()) {
        text += "\n## Gated layers\n\n" + layer_method() +
                " Layers of one shape in a network are one row, their mean.\n\n" +
                to_markdown(layer_table(merge_by_shape(report.layers)));
    }
    if (!report.kernels.empty()) {
        text += "\n## Kernels\n\n" + kernel_method() + "\n\n" +
                to_markdown(kernel_table(report.kernels, report.machine));
    }
    return text;
}

}  // namespace sluice::benchmark
