#include <catch2/catch.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "classify/labels.h"
#include "classify/mask_folder.h"
#include "classify/options.h"
#include "classify/true_classes.h"
#include "common/gather.h"

using namespace sluice::apps;
using namespace sluice::classify;
namespace fs = std::filesystem;

namespace {

// A new folder, gone at the end of the test.
struct Folder {
    fs::path path = fs::temp_directory_path() / ("sluice_classify_" + std::to_string(::getpid()));
    Folder() { fs::create_directories(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { fs::remove_all(path); }

    void write(const std::string& name, const std::string& text = "") const {
        std::ofstream(path / name, std::ios::binary) << text;
    }
    std::string operator/(const std::string& name) const { return (path / name).string(); }
};

sluice::Result<Options> parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "classify");
    return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

std::string parse_failure(const std::vector<const char*>& arguments) {
    const auto parsed = parse(arguments);
    REQUIRE_FALSE(parsed.ok());
    return parsed.status().message();
}

}  // namespace

TEST_CASE("a folder gives its images and those below it in order") {
    const Folder folder;
    fs::create_directories(folder.path / "sub.png/deep");
    fs::create_directories(folder.path / "sub");
    fs::create_directories(folder.path / ".hidden");
    for (const char* name :
         {"b.png", "a.JPG", "c.jpeg", "d.Ppm", ".hidden.png", "notes.txt", "e", "sub.png/x.png",
          "sub.png/deep/y.png", "sub.png/deep/y.gif", "sub/z.png", ".hidden/z.png"}) {
        folder.write(name);
    }
    const std::vector<std::string> paths = {"no such.jpg", folder.path.string(), folder / "e"};
    const Gathered gathered = gather(paths);
    CHECK(gathered.failures.empty());
    CHECK(gathered.searched);
    // By name, one folder after the other: "sub" comes before "sub.png".
    CHECK(gathered.images == std::vector<fs::path>{"no such.jpg", folder / "a.JPG",
                                                   folder / "b.png", folder / "c.jpeg",
                                                   folder / "d.Ppm", folder / "sub/z.png",
                                                   folder / "sub.png/deep/y.png",
                                                   folder / "sub.png/x.png", folder / "e"});
    CHECK(gathered.skipped ==
          std::vector<fs::path>{folder / "e", folder / "notes.txt", folder / "sub.png/deep/y.gif"});
    CHECK_FALSE(gather(std::vector<std::string>{"a.png"}).searched);
}

TEST_CASE("links to folders are followed, and none is searched twice") {
    const Folder folder;
    for (const char* name : {"root/real", "outside/below", "outside/below/deeper"}) {
        fs::create_directories(folder.path / name);
    }
    for (const char* name : {"root/real/a.png", "outside/b.png", "outside/below/deeper/c.png"}) {
        folder.write(name);
    }
    const auto link = [&](const char* target, const char* name) {
        fs::create_directory_symlink(folder.path / target, folder.path / name);
    };
    link("root", "root/real/up");         // a loop
    link("root/real", "root/a_link");     // a second way to a folder, before it by name
    link("outside", "root/outside");      // two ways to a folder outside,
    link("outside", "root/second");       // of which the first by name counts
    link("outside", "outside/below/up");  // a loop there
    link("nowhere", "root/nowhere");
    const std::vector<std::string> paths = {folder / "root"};
    const Gathered gathered = gather(paths);
    CHECK(gathered.failures.empty());
    CHECK(gathered.images == std::vector<fs::path>{folder / "root/outside/b.png",
                                                   folder / "root/outside/below/deeper/c.png",
                                                   folder / "root/real/a.png"});
    CHECK(gathered.skipped == std::vector<fs::path>{folder / "root/nowhere"});
}

TEST_CASE("a folder without images is a failure, and the others go on") {
    const Folder folder;
    fs::create_directories(folder.path / "sub/empty");
    folder.write("sub/notes.txt");
    const std::vector<std::string> paths = {folder.path.string(), folder / "sub/empty", "x.jpg"};
    const Gathered gathered = gather(paths);
    REQUIRE(gathered.failures.size() == 2);
    const std::string message = gathered.failures[0].message();
    CHECK(message.starts_with(folder.path.string() + ": holds no .jpg"));
    CHECK(message.find(", and 1 other file; ") != std::string::npos);
    CHECK(gathered.failures[1].message().starts_with(folder / "sub/empty: holds no .jpg"));
    CHECK(gathered.images == std::vector<fs::path>{"x.jpg"});
}

TEST_CASE("folders name the classes of their images") {
    CHECK(folder_name("data/cat/1.png") == "cat");
    CHECK(folder_name("data/cat/../dog/1.png") == "dog");
    CHECK(folder_name("1.png") == fs::current_path().filename());
    CHECK(folder_name("./1.png") == fs::current_path().filename());
    const std::vector<fs::path> images = {"d/dog/1.png", "d/cat/2.png", "e/dog/3.png"};
    CHECK(folder_names(images) == std::vector<std::string>{"cat", "dog"});

    const auto failed = TrueClasses::create(images, {"a", "b", "c", "d", "e", "f"});
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.status().message() ==
          "d/dog/1.png: lies in a folder 'dog', which is no class of the network; with --evaluate, "
          "folders are named like the classes: a, b, c, d, e ... (6 in all)");
}

TEST_CASE("an image's place counts the classes before its own") {
    // As in ImageNet, where two classes are named "crane".
    const std::vector<std::string> labels = {"cat", "crane", "dog", "crane"};
    const std::vector<fs::path> images = {"cat/1.png", "crane/1.png", "dog/1.png"};
    const auto classes = TrueClasses::create(images, labels);
    REQUIRE(classes.ok());
    const auto places = [&](const std::vector<float>& scores) {
        return std::vector<std::size_t>{classes.value().place(0, scores),
                                        classes.value().place(1, scores),
                                        classes.value().place(2, scores)};
    };
    CHECK(places({4, 1, 3, 2}) == std::vector<std::size_t>{0, 2, 1});
    CHECK(places({1, 2, 3, 4}) == std::vector<std::size_t>{3, 0, 1});
    // Of equal scores the lower index comes first.
    CHECK(places({5, 5, 5, 5}) == std::vector<std::size_t>{0, 1, 2});
}

TEST_CASE("labels are the lines of a file") {
    const Folder folder;
    folder.write("labels.txt", "\xef\xbb\xbftabby cat\r\n\r\ndog, big\n\n\n");
    const auto labels = read_label_file(folder / "labels.txt");
    REQUIRE(labels.ok());
    CHECK(labels.value() == std::vector<std::string>{"tabby cat", "", "dog, big"});

    folder.write("blank.txt", "\n\n");
    for (const std::string name : {"blank.txt", "missing.txt"}) {
        const auto failed = read_label_file(folder / name);
        REQUIRE_FALSE(failed.ok());
        CHECK(failed.status().message().starts_with(folder / name + ": "));
        CHECK(failed.status().message().ends_with("; name a text file with one class per line"));
    }
}

TEST_CASE("each image gets a mask sheet of its own") {
    const Folder folder;
    auto masks = MaskFolder::open(folder / "new/masks");
    REQUIRE(masks.ok());
    CHECK(fs::is_directory(folder / "new/masks"));
    const fs::path root = folder / "new/masks";
    CHECK(masks->name_for("a/x.jpg") == root / "x_masks.png");
    CHECK(masks->name_for("b/x.png") == root / "x_2_masks.png");
    CHECK(masks->name_for("x_2.png") == root / "x_2_2_masks.png");
    CHECK(masks->name_for("c/x.png") == root / "x_3_masks.png");
    CHECK(masks->name_for("d/x.png") == root / "x_4_masks.png");

    folder.write("file");
    const auto failed = MaskFolder::open(folder / "file");
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.status().message().starts_with(folder / "file: "));
}

TEST_CASE("options are read") {
    const auto parsed =
        parse({"--model",   "m.onnx",   "--labels",   "l.txt",     "--top",       "5",
               "--threads", "2",        "--evaluate", "--sigmoid", "--target",    "avx2",
               "--json",    "--masks",  "out",        "--mean",    "0.5,-1,1e-1", "--std",
               "1,2,3",     "--resize", "256",        "a.jpg",     "dir"});
    REQUIRE(parsed.ok());
    const Options& options = parsed.value();
    CHECK(options.model == "m.onnx");
    CHECK(options.labels == fs::path("l.txt"));
    CHECK(options.top == 5);
    CHECK(options.threads == 2);
    CHECK(options.target == "avx2");
    CHECK(options.json);
    CHECK(options.evaluate);
    CHECK(options.sigmoid);
    CHECK(options.masks == fs::path("out"));
    CHECK(options.image.mean == std::array{0.5f, -1.0f, 0.1f});
    CHECK(options.image.deviation == std::array{1.0f, 2.0f, 3.0f});
    CHECK(options.image.resize == 256);
    CHECK(options.paths == std::vector<std::string>{"a.jpg", "dir"});
    CHECK_FALSE(options.message);

    const auto plain = parse({"--model", "m.onnx", "--explain"});
    REQUIRE(plain.ok());
    CHECK(plain->explain);
    CHECK(plain->top == 1);
    CHECK(plain->threads == 1);
    CHECK_FALSE((plain->json || plain->evaluate || plain->sigmoid));
    CHECK_FALSE((plain->labels || plain->masks || plain->image.mean || plain->image.deviation));
    CHECK_FALSE(plain->image.resize);

    CHECK(parse({"--version"})->message->starts_with("classify "));
    CHECK(parse({"--help"})->message->find("--masks") != std::string::npos);
}

TEST_CASE("a wrong command line is said in one line that names the option") {
    const std::pair<std::vector<const char*>, const char*> wrong[] = {
        {{"a.jpg"}, "--model"},
        {{"--model", "m", "--threads", "0", "a.jpg"}, "--threads"},
        {{"--model", "m", "--threads", "two", "a.jpg"}, "--threads"},
        {{"--model", "m", "--top", "0", "a.jpg"}, "--top"},
        {{"--model", "m", "--resize", "0", "a.jpg"}, "--resize"},
        {{"--model", "m", "--resize", "99999", "a.jpg"}, "--resize"},
        {{"--model", "m", "--mean", "1,2", "a.jpg"}, "--mean"},
        {{"--model", "m", "--mean", "1,2,3,4", "a.jpg"}, "--mean"},
        {{"--model", "m", "--mean", "1,2,nan", "a.jpg"}, "--mean"},
        {{"--model", "m", "--mean", "", "a.jpg"}, "--mean"},
        {{"--model", "m", "--std", "1,0,1", "a.jpg"}, "--std"},
        {{"--model", "m", "--std", "1;1;1", "a.jpg"}, "--std"},
        {{"--model", "m", "--unknown", "a.jpg"}, "--unknown"},
        {{"--model", "m", "--json", "--explain", "a.jpg"}, "--explain"},
        {{"--model", "m"}, "no image"},
        {{"--model", "m", "--explain", "--evaluate"}, "--evaluate"}};
    for (const auto& [arguments, name] : wrong) {
        const std::string message = parse_failure(arguments);
        CAPTURE(message);
        CHECK(message.find(name) != std::string::npos);
        CHECK(message.find('\n') == std::string::npos);
        CHECK(message.find("; ") != std::string::npos);
    }
}
