#include "common/gather.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include "image/formats.h"

namespace sluice::apps {
namespace {

namespace fs = std::filesystem;

// Lists a folder and those below it. Links to folders wait until all that is reached without them
// has been seen, so that a folder is found at its own place rather than at a link's, and go by
// name, so that it does not depend on the file system which of two links to a folder counts.
class Search {
public:
    explicit Search(fs::path root) : root_(std::move(root)), folders_{root_} {}

    void run(Gathered& gathered) {
        while (!folders_.empty() || !links_.empty()) {
            if (folders_.empty()) {
                folders_.push_back(std::move(links_.extract(links_.begin()).value()));
            }
            const fs::path folder = std::move(folders_.back());
            folders_.pop_back();
            if (const std::error_code code = list(folder)) {
                gathered.failures.push_back(Status(Problem{folder.string(),
                                                           {},
                                                           "cannot be listed: " + code.message(),
                                                           "check its permissions"}));
                complete_ = false;
            }
        }
        if (images_.empty() && complete_) {
            gathered.failures.push_back(no_image());
        }
        append(images_, gathered.images);
        append(skipped_, gathered.skipped);
    }

private:
    std::error_code list(const fs::path& folder) {
        struct stat place = {};
        if (::stat(folder.c_str(), &place) != 0) {
            return {errno, std::generic_category()};
        }
        if (!seen_.emplace(place.st_dev, place.st_ino).second) {
            return {};
        }
        std::error_code code;
        for (fs::directory_iterator entry(folder, code), end; !code && entry != end;
             entry.increment(code)) {
            if (!entry->path().filename().string().starts_with('.')) {
                sort_in(*entry);
            }
        }
        return code;
    }

    void sort_in(const fs::directory_entry& entry) {
        std::error_code ignored;
        if (!entry.is_directory(ignored)) {
            (image::has_image_extension(entry.path()) ? images_ : skipped_).push_back(entry.path());
        } else if (entry.is_symlink(ignored)) {
            links_.insert(entry.path());
        } else {
            folders_.push_back(entry.path());
        }
    }

    Status no_image() const {
        const std::string files = std::to_string(skipped_.size()) +
                                  (skipped_.size() == 1 ? " other file" : " other files");
        return Status(Problem{
            root_.string(),
            {},
            "holds no " + image::image_extensions() + (skipped_.empty() ? "" : ", and " + files),
            "name a folder with images in it or in folders below it"});
    }

    static void append(std::vector<fs::path>& found, std::vector<fs::path>& all) {
        std::sort(found.begin(), found.end());
        all.insert(all.end(), std::make_move_iterator(found.begin()),
                   std::make_move_iterator(found.end()));
    }

    fs::path root_;
    std::vector<fs::path> folders_;
    std::set<fs::path> links_;
    std::set<std::pair<dev_t, ino_t>> seen_;
    std::vector<fs::path> images_;
    std::vector<fs::path> skipped_;
    bool complete_ = true;
};

}  // namespace

Gathered gather(std::span<const std::string> paths) {
    Gathered gathered;
    for (const std::string& path : paths) {
        std::error_code ignored;
        if (fs::is_directory(path, ignored)) {
            Search(path).run(gathered);
            gathered.searched = true;
        } else {
            gathered.images.emplace_back(path);
        }
    }
    return gathered;
}

}  // namespace sluice::apps
