#include <catch2/catch.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "classify/gather.h"
#include "classify/labels.h"
#include "classify/mask_folder.h"
#include "classify/options.h"

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

TEST_CASE("a folder gives its pictures in order") {
    const Folder folder;
    for (const char* name :
         {"b.png", "a.JPG", "c.jpeg", "d.Ppm", ".hidden.png", "notes.txt", "e"}) {
        folder.write(name);
    }
    fs::create_directories(folder.path / "sub.png");
    folder.write("sub.png/inside.png");

    const std::vector<std::string> paths = {"no such.jpg", folder.path.string(), folder / "e"};
    const Gathered gathered = gather(paths);
    CHECK(gathered.failures.empty());
    CHECK(gathered.pictures == std::vector<fs::path>{"no such.jpg", folder / "a.JPG",
                                                     folder / "b.png", folder / "c.jpeg",
                                                     folder / "d.Ppm", folder / "e"});
}

TEST_CASE("a folder without pictures is a failure, and the others go on") {
    const Folder folder;
    folder.write("notes.txt");
    const std::vector<std::string> paths = {folder.path.string(), "x.jpg"};
    const Gathered gathered = gather(paths);
    REQUIRE(gathered.failures.size() == 1);
    CHECK(gathered.failures[0].message().starts_with(folder.path.string() + ": holds no .jpg"));
    CHECK(gathered.pictures == std::vector<fs::path>{"x.jpg"});
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
        CHECK(failed.status().message().ends_with("; name a text file with one class a line"));
    }
}

TEST_CASE("each picture gets a mask sheet of its own") {
    const Folder folder;
    auto masks = MaskFolder::open(folder / "new/masks");
    REQUIRE(masks.ok());
    CHECK(fs::is_directory(folder / "new/masks"));
    const fs::path root = folder / "new/masks";
    CHECK(masks->name_for("a/x.jpg") == root / "x_masks.png");
    CHECK(masks->name_for("b/x.png") == root / "x_2_masks.png");
    CHECK(masks->name_for("x_2.png") == root / "x_2_2_masks.png");
    CHECK(masks->name_for("c/x.png") == root / "x_3_masks.png");

    folder.write("file");
    const auto failed = MaskFolder::open(folder / "file");
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.status().message().starts_with(folder / "file: "));
}

TEST_CASE("options are read") {
    const auto parsed =
        parse({"--model",     "m.onnx",   "--labels", "l.txt",    "--top",   "5",     "--threads",
               "2",           "--target", "avx2",     "--json",   "--masks", "out",   "--mean",
               "0.5,-1,1e-1", "--std",    "1,2,3",    "--resize", "256",     "a.jpg", "dir"});
    REQUIRE(parsed.ok());
    const Options& options = parsed.value();
    CHECK(options.model == "m.onnx");
    CHECK(options.labels == fs::path("l.txt"));
    CHECK(options.top == 5);
    CHECK(options.threads == 2);
    CHECK(options.target == "avx2");
    CHECK(options.json);
    CHECK(options.masks == fs::path("out"));
    CHECK(options.mean == std::array{0.5f, -1.0f, 0.1f});
    CHECK(options.deviation == std::array{1.0f, 2.0f, 3.0f});
    CHECK(options.resize == 256);
    CHECK(options.paths == std::vector<std::string>{"a.jpg", "dir"});
    CHECK_FALSE(options.message);

    const auto plain = parse({"--model", "m.onnx", "--explain"});
    REQUIRE(plain.ok());
    CHECK(plain->explain);
    CHECK(plain->top == 1);
    CHECK(plain->threads == 1);
    CHECK_FALSE((plain->labels || plain->masks || plain->mean || plain->deviation));
    CHECK_FALSE(plain->resize);

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
        {{"--model", "m"}, "no picture"}};
    for (const auto& [arguments, name] : wrong) {
        const std::string message = parse_failure(arguments);
        CAPTURE(message);
        CHECK(message.find(name) != std::string::npos);
        CHECK(message.find('\n') == std::string::npos);
        CHECK(message.find("; ") != std::string::npos);
    }
}
