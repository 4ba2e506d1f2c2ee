#include "classify/classify_images.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "classify/classifier.h"
#include "classify/json.h"
#include "classify/mask_folder.h"
#include "classify/mask_writer.h"
#include "classify/progress.h"
#include "classify/summary.h"
#include "classify/table.h"
#include "classify/true_classes.h"
#include "classify/work_in_order.h"
#include "common/interrupt.h"
#include "common/output.h"
#include "image/files.h"

namespace sluice::classify {
namespace {

// Enough that threads rarely wait for one that has a large image.
constexpr std::size_t ahead_per_thread = 8;

// What a thread makes of an image, until its turn to be printed comes.
struct Outcome {
    Status failure;  ///< of this image
    Status fatal;    ///< ends the run
    Classification result;
    std::string text;
    std::vector<std::uint8_t> sheet;  ///< PNG; empty without --masks
    std::size_t place = 0;            ///< classes before the true one, with --evaluate
};

class ImageRun {
public:
    ImageRun(const Network& network, const Options& options, const apps::Gathered& gathered);
    /// Finds what fails before the first image does.
    Status prepare();
    Status run();
    std::size_t failed() const { return failed_; }

private:
    void classify(Classifier& classifier, std::size_t image, Outcome& outcome) const;
    Status take(std::size_t image, Outcome& outcome);
    Status print_result(const Outcome& outcome);

    const Network& network_;
    const Options& options_;
    const apps::Gathered& gathered_;
    const std::vector<std::filesystem::path>& images_;
    int workers_;  ///< threads that classify images of their own
    int threads_;  ///< threads that share the layers of each image
    Table table_;
    Summary summary_;
    Progress progress_;
    std::vector<Classifier> classifiers_;  ///< one per worker
    std::vector<Outcome> outcomes_;        ///< a ring
    std::optional<TrueClasses> true_classes_;
    std::optional<MaskFolder> masks_;
    std::size_t taken_ = 0;
    std::size_t failed_ = 0;
};

ImageRun::ImageRun(const Network& network, const Options& options, const apps::Gathered& gathered)
    : network_(network),
      options_(options),
      gathered_(gathered),
      images_(gathered.images),
      workers_(
          static_cast<int>(std::min(static_cast<std::size_t>(options.threads), images_.size()))),
      threads_(images_.size() == 1 ? options.threads : 1),
      table_(images_, network.labels(), network.class_count(), network.has_single_score()),
      summary_(network.model().target(), workers_ * threads_, gathered.skipped),
      progress_(images_.size()),
      outcomes_(static_cast<std::size_t>(workers_) * ahead_per_thread) {}

Status ImageRun::prepare() {
    if (options_.evaluate) {
        Result<TrueClasses> classes = TrueClasses::create(images_, network_.labels());
        if (!classes.ok()) {
            return classes.status();
        }
        true_classes_ = std::move(classes).value();
    }
    if (options_.masks) {
        Result<MaskFolder> opened = MaskFolder::open(*options_.masks);
        if (!opened.ok()) {
            return opened.status();
        }
        masks_ = std::move(opened).value();
    }
    for (int i = 0; i < workers_; ++i) {
        Result<Classifier> classifier = Classifier::create(network_, options_, threads_);
        if (!classifier.ok()) {
            return classifier.status();
        }
        classifiers_.push_back(std::move(classifier).value());
    }
    return {};
}

void ImageRun::classify(Classifier& classifier, std::size_t image, Outcome& outcome) const {
    outcome = {};
    Result<Classification> result = classifier.classify(images_[image]);
    if (!result.ok()) {
        outcome.failure = result.status();
        return;
    }
    outcome.result = std::move(result).value();
    if (options_.gates) {
        const Result<std::vector<std::uint8_t>> png = image::encode_png(classifier.input());
        if (!png.ok()) {
            outcome.fatal = png.status();
            return;
        }
        outcome.text = to_json(outcome.result, png.value(), classifier.gate_maps()) + "\n";
    } else if (options_.json) {
        outcome.text = to_json(outcome.result) + "\n";
    }
    if (!all_finite(outcome.result.scores)) {
        outcome.failure =
            Status(Problem{outcome.result.file,
                           {},
                           "gets scores that are not finite from " + network_.file(),
                           "check --mean and --std, and the network in ONNX Runtime"});
        return;
    }
    if (!options_.json) {
        outcome.text = table_.rows(outcome.result);
    }
    if (true_classes_) {
        outcome.place = true_classes_->place(image, outcome.result.class_scores);
    }
    if (masks_) {
        Result<std::vector<std::uint8_t>> sheet = draw_masks(classifier, outcome.result);
        outcome.fatal = sheet.status();
        outcome.sheet = sheet.ok() ? std::move(sheet).value() : std::vector<std::uint8_t>();
    }
}

Status ImageRun::take(std::size_t image, Outcome& outcome) {
    progress_.hide();
    if (apps::interrupted()) {
        return Status::error("interrupted");
    }
    if (!outcome.failure.ok()) {
        apps::print_failure("classify", outcome.failure);
        SLUICE_RETURN_IF_ERROR(apps::print(outcome.text));
        summary_.add_failure();
        ++failed_;
    } else {
        SLUICE_RETURN_IF_ERROR(std::move(outcome.fatal).in_file(outcome.result.file));
        SLUICE_RETURN_IF_ERROR(print_result(outcome));
    }
    taken_ = image + 1;
    progress_.show(taken_);
    return {};
}

Status ImageRun::print_result(const Outcome& outcome) {
    if (masks_) {
        SLUICE_RETURN_IF_ERROR(
            image::write_file(masks_->name_for(outcome.result.file), outcome.sheet));
    }
    if (summary_.empty() && !options_.json) {
        SLUICE_RETURN_IF_ERROR(apps::print(table_.header()));
    }
    SLUICE_RETURN_IF_ERROR(apps::print(outcome.text));
    summary_.add(outcome.result);
    if (true_classes_) {
        summary_.add_place(outcome.place);
    }
    return {};
}

Status ImageRun::run() {
    OrderedWork work;
    work.count = images_.size();
    work.threads = workers_;
    work.ahead = outcomes_.size();
    work.work = [this](int thread, std::size_t image) {
        classify(classifiers_[static_cast<std::size_t>(thread)], image,
                 outcomes_[image % outcomes_.size()]);
    };
    work.take = [this](std::size_t image) {
        return take(image, outcomes_[image % outcomes_.size()]);
    };
    const auto start = std::chrono::steady_clock::now();
    const Status status = work_in_order(work);
    if (apps::interrupted() && taken_ < images_.size()) {
        return Status::error("interrupted after " + std::to_string(taken_) + " of " +
                                 std::to_string(images_.size()) + " images",
                             "run it again");
    }
    SLUICE_RETURN_IF_ERROR(status);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    progress_.hide();
    if (options_.evaluate) {
        summary_.set_seconds(elapsed.count());
    }
    if (!options_.json) {
        return apps::print(summary_.text());
    }
    return options_.evaluate || gathered_.searched ? apps::print(summary_.json()) : Status();
}

// A network that names no class of its own knows the folders' names, in sorted order.
Status name_by_folders(Network& network, std::span<const std::filesystem::path> images) {
    if (network.has_single_score() && !network.sigmoid()) {
        return Status(Problem{network.file(),
                              {},
                              "gives a single score, which decides no class",
                              "give --sigmoid beside --evaluate"});
    }
    if (network.labels().empty()) {
        const std::vector<std::string> names = folder_names(images);
        const std::int64_t classes = network.has_single_score() ? 2 : network.score_count();
        if (static_cast<std::int64_t>(names.size()) != classes) {
            return Status(Problem{network.file(),
                                  {},
                                  "decides between " + std::to_string(classes) +
                                      " classes without names, and the images lie in " +
                                      std::to_string(names.size()) + " folders",
                                  "name the classes with --labels, or give a folder per class"});
        }
        return network.name_classes(names, network.file());
    }
    if (network.class_count() < 2) {
        return Status(Problem{network.file(),
                              {},
                              "has a single class, so its accuracy would always be 100%",
                              "give --labels a file with two names"});
    }
    return {};
}

}  // namespace

Status classify_images(Network& network, const Options& options, const apps::Gathered& gathered,
                       std::size_t& failed) {
    if (options.evaluate) {
        SLUICE_RETURN_IF_ERROR(name_by_folders(network, gathered.images));
    }
    ImageRun run(network, options, gathered);
    SLUICE_RETURN_IF_ERROR(run.prepare());
    apps::watch_interrupts();
    Status status = run.run();
    failed = run.failed();
    return status;
}

}  // namespace sluice::classify
