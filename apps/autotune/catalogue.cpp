#include "autotune/catalogue.h"

#include <numeric>

#include "autotune/files.h"
#include "plan/conv/winograd_weights.h"

namespace sluice::autotune {

using nlohmann::json;

Space Catalogue::space(const std::string& kernel, int channels) const {
    const KernelRow& row = kernels.at(kernel);
    Space space{row.recipe.generator, count_registers(halide_target), lanes, 0, channels};
    const bool is_conv = autotune::is_conv(row.recipe.generator);
    if (row.recipe.generator == "winograd_conv") {
        // Where the layer says how many channels there are, they come by the vector.
        space.row = row.channels > 0 ? row.channels : lanes;
        space.depth = row.most_channels * row.stride * row.stride;
        space.points = static_cast<int>(winograd_points(row.side, row.kernel));
    } else if (row.recipe.generator == "sparse_conv") {
        space.row = row.channels;
    } else if (row.kernel > 0 && row.channels > 0) {
        space.row = row.kernel * row.channels / (is_conv ? 1 : lanes);
    }
    if (is_conv && row.channels == 0) {
        // Serves whatever no other does: a wider tile would leave some layers without a kernel.
        space.channels = lanes;
    } else if (is_conv && row.channels >= lanes) {
        // As many outputs as inputs is the usual layer, in this network or another.
        space.channels = std::gcd(channels, row.channels);
    }
    return space;
}

Result<Catalogue> read_catalogue(const std::filesystem::path& source, const std::string& target) {
    const std::filesystem::path targets_file = source / "schedules" / "targets.json";
    const std::filesystem::path build_file = SLUICE_KERNEL_LIST;
    const Result<json> targets = read_json(targets_file), build = read_json(build_file);
    for (const Result<json>* file : {&targets, &build}) {
        if (!file->ok()) {
            return file->status();
        }
    }
    Catalogue catalogue;
    try {
        catalogue.target = target;
        const json& row = targets.value().at(catalogue.target);
        catalogue.halide_target = row.at("halide").get<std::string>();
        catalogue.lanes = row.at("lanes").get<int>();
        for (const json& folder : build.value().at("tuned")) {
            catalogue.tuned.push_back(std::filesystem::path(folder.get<std::string>()) /
                                      (target + ".json"));
        }
        for (const auto& [name, kernel] : build.value().at("kernels").items()) {
            KernelRow added;
            added.recipe = {kernel.at("generator").get<std::string>(), catalogue.halide_target, {}};
            if (!is_tunable(added.recipe.generator)) {
                continue;
            }
            const json& params = kernel.at("params");
            for (const auto& [key, value] : params.items()) {
                added.recipe.params[key] =
                    value.is_string() ? value.get<std::string>() : value.dump();
            }
            added.kernel = params.value("kernel", 0);
            added.channels = params.value("channels", 0);
            added.most_channels = params.value("most_channels", added.channels);
            added.stride = params.value("stride", 1);
            added.side = params.value("side", 0);
            catalogue.kernels[name] = std::move(added);
        }
    } catch (const json::exception& fault) {
        return Status(Problem{build_file.string(),
                              {},
                              "does not fit " + targets_file.string() + ": " + fault.what(),
                              "configure the build again"});
    }
    return catalogue;
}

}  // namespace sluice::autotune
