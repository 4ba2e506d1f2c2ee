// classify: pictures in, classes out, and what the gates of the network saved.

#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <span>

#include "classify/classifier.h"
#include "classify/gather.h"
#include "classify/json.h"
#include "classify/mask_folder.h"
#include "classify/mask_writer.h"
#include "classify/options.h"
#include "classify/output.h"
#include "classify/progress.h"
#include "classify/summary.h"
#include "classify/table.h"

namespace sluice::classify {
namespace {

constexpr int success = 0;
constexpr int failure = 2;

Status print_result(const Classification& result, const Options& options, const Table& table,
                    bool first) {
    if (options.json) {
        return print_line(to_json(result));
    }
    if (first) {
        SLUICE_RETURN_IF_ERROR(print_line(table.header()));
    }
    for (const std::string& row : table.rows(result)) {
        SLUICE_RETURN_IF_ERROR(print_line(row));
    }
    return {};
}

// A bad picture is reported and the others go on; what would fail for each of them ends the run.
Status classify_all(Classifier& classifier, const Options& options,
                    std::span<const std::filesystem::path> pictures, int& bad_pictures) {
    std::optional<MaskFolder> folder;
    if (options.masks) {
        Result<MaskFolder> opened = MaskFolder::open(*options.masks);
        if (!opened.ok()) {
            return opened.status();
        }
        folder = std::move(opened).value();
    }
    const Table table(pictures, classifier.labels(), classifier.class_count());
    Summary summary;
    Progress progress(pictures.size());
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        progress.show(i);
        const Result<Classification> result = classifier.classify(pictures[i]);
        if (!result.ok()) {
            progress.hide();
            print_failure(result.status());
            ++bad_pictures;
            continue;
        }
        if (folder) {
            SLUICE_RETURN_IF_ERROR(write_masks(classifier, result.value(), *folder));
        }
        progress.hide();
        SLUICE_RETURN_IF_ERROR(print_result(result.value(), options, table, summary.empty()));
        summary.add(result.value());
    }
    if (options.json || summary.empty()) {
        return {};
    }
    return print_line(summary.line(classifier.model().target(), options.threads));
}

Result<int> run(int argc, const char* const* argv) {
    SLUICE_RETURN_IF_ERROR(check_standard_streams());
    const Result<Options> parsed = parse_options(argc, argv);
    if (!parsed.ok()) {
        return parsed.status();
    }
    const Options& options = parsed.value();
    if (options.message) {
        SLUICE_RETURN_IF_ERROR(print(*options.message));
        return success;
    }
    const Gathered gathered = gather(options.paths);
    for (const Status& failed : gathered.failures) {
        print_failure(failed);
    }
    int failures = static_cast<int>(gathered.failures.size());
    if (gathered.pictures.empty() && !options.explain) {
        return failure;
    }
    Result<Classifier> classifier = Classifier::load(options);
    if (!classifier.ok()) {
        return classifier.status();
    }
    if (options.explain) {
        SLUICE_RETURN_IF_ERROR(print(classifier->model().explain()));
    }
    if (!gathered.pictures.empty()) {
        SLUICE_RETURN_IF_ERROR(
            classify_all(classifier.value(), options, gathered.pictures, failures));
    }
    return failures == 0 ? success : failure;
}

}  // namespace
}  // namespace sluice::classify

int main(int argc, char** argv) {
    using namespace sluice;
    try {
        const Result<int> code = classify::run(argc, argv);
        if (code.ok()) {
            return code.value();
        }
        classify::print_failure(code.status());
    } catch (const std::exception& exception) {
        // Not enough memory, in practice: nothing else here throws.
        classify::print_failure(Status::error(exception.what(), "free some memory"));
    }
    return classify::failure;
}
