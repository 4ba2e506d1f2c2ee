#include "autotune/catalogue.h"

#include <numeric>

#include "autotune/files.h"
#include "kernels/row_groups.h"
#include "plan/conv/winograd_weights.h"

namespace sluice::autotune {

using nlohmann::json;

Space Catalogue::space(const std::string& kernel, int channels) const {
    const KernelRow& row = kernels.at(kernel);
    Space space{row.recipe.generator, count_registers(row.recipe.halide_target), lanes, 0,
                channels};
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
    if (const auto* const info = std::get_if<Int8DepthwiseInfo>(&row.built->info)) {
        space.windows =
            info->kernel > 0 ? shared_windows(info->kernel, info->dot, info->stride) : 1;
    }
    if (const auto* const info = std::get_if<Int8Info>(&row.built->info)) {
        space.row =
            row.channels > 0 ? (row.kernel * row.channels + info->group() - 1) / info->group() : 0;
        // Every layer that the kernel serves now is served still.
        space.channels = info->vectors * lanes;
    } else if (is_conv && row.channels == 0) {
        // A wider tile would leave some of its layers to a slower kernel, or to none.
        space.channels = row.built->block();
    } else if (is_conv && row.channels >= lanes) {
        // As many outputs as inputs is the usual layer, in this network or another.
        space.channels = std::gcd(channels, row.channels);
    }
    return space;
}

namespace {

/// The build's kernel of that name, the target's own before those of its bases; null where none has
/// it.
const Kernel* find_built(const std::string& name, const Target& target) {
    for (const Target* at = &target; at != nullptr; at = base_of(*at)) {
        const std::string whole = name + "__" + at->id;
        for (const Kernel& kernel : sluice::kernels()) {
            if (whole == kernel.name) {
                return &kernel;
            }
        }
    }
    return nullptr;
}

/// Products of matrices have no numbers to search for.
bool is_matrix(const Kernel& kernel) {
    const auto* const info = std::get_if<Int8Info>(&kernel.info);
    return info != nullptr && info->depth > 0;
}

KernelRow make_row(const Kernel& built, const json& kernel, const json& target) {
    KernelRow row;
    row.built = &built;
    row.recipe = {
        kernel.at("generator").get<std::string>(), target.at("halide").get<std::string>(), {}};
    const json& params = kernel.at("params");
    for (const auto& [key, value] : params.items()) {
        row.recipe.params[key] = value.is_string() ? value.get<std::string>() : value.dump();
    }
    if (std::holds_alternative<Int8Info>(built.info) ||
        std::holds_alternative<Int8DepthwiseInfo>(built.info)) {
        for (const auto& [key, value] : target.at("int8").items()) {
            row.recipe.params[key] = value.dump();
        }
    }
    row.kernel = params.value("kernel", 0);
    row.channels = params.value("channels", 0);
    row.most_channels = params.value("most_channels", row.channels);
    row.stride = params.value("stride", 1);
    row.side = params.value("side", 0);
    return row;
}

}  // namespace

Result<Catalogue> read_catalogue(const std::filesystem::path& source, const Target& target) {
    const std::filesystem::path targets_file = source / "schedules" / "targets.json";
    const std::filesystem::path build_file = SLUICE_KERNEL_LIST;
    const Result<json> targets = read_json(targets_file), build = read_json(build_file);
    for (const Result<json>* file : {&targets, &build}) {
        if (!file->ok()) {
            return file->status();
        }
    }
    Catalogue catalogue;
    catalogue.lanes = target.lanes;
    try {
        for (const auto& [name, kernel] : build.value().at("kernels").items()) {
            const Kernel* const built = find_built(name, target);
            if (built != nullptr && !is_matrix(*built) &&
                is_tunable(kernel.at("generator").get<std::string>())) {
                catalogue.kernels[name] =
                    make_row(*built, kernel, targets.value().at(built->target));
            }
        }
        for (const auto& [name, kernel] : catalogue.kernels) {
            std::vector<std::filesystem::path>& files = catalogue.tuned[kernel.built->target];
            if (!files.empty()) {
                continue;
            }
            for (const json& folder : build.value().at("tuned")) {
                files.push_back(std::filesystem::path(folder.get<std::string>()) /
                                (std::string(kernel.built->target) + ".json"));
            }
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
