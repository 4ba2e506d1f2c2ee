#include <catch2/catch.hpp>

#include <cmath>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "classify/json.h"
#include "classify/labels.h"
#include "classify/progress.h"
#include "classify/scores.h"
#include "classify/summary.h"
#include "classify/table.h"
#include "common/text.h"

using namespace sluice::apps;
using namespace sluice::classify;

namespace {

Classification make_result() {
    const std::vector<float> scores = {0.1f, -2.5f, 3.0f};
    return {"a/cat.jpg",    scores, scores, {{2, 0.9375}, {0, 0.0625}},
            {"cat", "dog"}, 0.25,   1000,   600};
}

}  // namespace

TEST_CASE("scores become probabilities") {
    // exp(log 3) = 3 times as probable as exp(0).
    const std::vector<float> scores = {0.0f, std::log(3.0f)};
    const std::vector<double> softmax = to_probabilities(scores);
    CHECK(softmax[0] == Approx(0.25).epsilon(1e-6));
    CHECK(softmax[1] == Approx(0.75).epsilon(1e-6));

    const std::vector<float> huge = {1e30f, 1e30f, -1e30f};
    CHECK(to_probabilities(huge) == std::vector<double>{0.5, 0.5, 0.0});

    // A network that ends in a softmax has given probabilities already.
    const std::vector<float> distribution = {0.25f, 0.75f, 0.0f};
    CHECK(to_probabilities(distribution) == std::vector<double>{0.25, 0.75, 0.0});
    const std::vector<float> negative = {-0.25f, 1.25f};
    CHECK(to_probabilities(negative)[0] == Approx(1.0 / (1.0 + std::exp(1.5))));
    const std::vector<float> no_sum_of_one = {0.5f, 0.5f, 0.002f};
    CHECK(to_probabilities(no_sum_of_one)[0] == Approx(0.39).margin(0.01));
}

TEST_CASE("a single score becomes a probability of one class or two") {
    const std::vector<float> score = {std::log(3.0f)};
    CHECK(to_class_scores(score, 0).empty());
    CHECK(to_class_scores(score, 1) == score);
    const std::vector<float> both = to_class_scores(score, 2);
    CHECK(both == std::vector<float>{-score[0], score[0]});
    const std::vector<double> sigmoids = to_sigmoids(both);
    CHECK(sigmoids[0] == Approx(0.25).epsilon(1e-6));
    CHECK(sigmoids[1] == Approx(0.75).epsilon(1e-6));
    CHECK(to_sigmoids(std::vector<float>{-1e30f, 1e30f}) == std::vector<double>{0.0, 1.0});

    const std::vector<float> several = {1.0f, 2.0f};
    CHECK(to_class_scores(several, 2) == several);
}

TEST_CASE("the best classes come first, equal ones by index") {
    const std::vector<float> scores = {1.0f, 3.0f, 3.0f, 2.0f, 1.0f};
    const std::vector<double> probabilities = {0.1, 0.3, 0.3, 0.2, 0.1};
    const std::vector<Ranked> best = rank(scores, probabilities, 3);
    REQUIRE(best.size() == 3);
    CHECK(best[0].index == 1);
    CHECK(best[1].index == 2);
    CHECK(best[2].index == 3);
    CHECK(best[2].probability == 0.2);
    CHECK(rank(scores, probabilities, 99).size() == 5);

    // Their softmax is the same to the last bit.
    const std::vector<float> close = {0.0f, 1e-20f};
    CHECK(rank(close, to_probabilities(close), 1)[0].index == 1);
}

TEST_CASE("the table aligns its columns") {
    const std::vector<std::filesystem::path> files = {"a/cat.jpg", "b.png"};
    const Table table(files, {"dog", "automobile", "cat"}, 3, false);
    CHECK(table.header() == "file       class       probability         ms  MACs skipped\n");
    CHECK(table.rows(make_result()) ==
          "a/cat.jpg  cat               93.8%      0.250         40.0%\n"
          "           dog                6.2%\n");

    Classification costly = make_result();
    costly.macs_executed = 1031;
    costly.best.resize(1);
    CHECK(table.rows(costly).ends_with(" -3.1%\n"));
}

TEST_CASE("the table of a single score has no class, unless its sigmoid decides") {
    const std::vector<std::filesystem::path> files = {"a.png"};
    Classification result;
    result.file = "a.png";
    result.scores = {-0.0000123456789f};
    CHECK(Table(files, {"no", "yes"}, 0, true).header() ==
          "file          score         ms  MACs skipped\n");
    CHECK(Table(files, {}, 0, true).rows(result) ==
          "a.png  -1.23457e-05      0.000          0.0%\n");
    result.best = {{0, 0.625}};
    result.names = {"no"};
    CHECK(Table(files, {"no", "yes"}, 2, true).rows(result) ==
          "a.png  no     -1.23457e-05        62.5%      0.000          0.0%\n");
}

TEST_CASE("the table shows what a terminal cannot") {
    const std::vector<std::filesystem::path> files = {"caf\xc3\xa9.jpg", "x\n\x1b[31m\xff.jpg"};
    const Table table(files, {}, 12, false);
    Classification result = make_result();
    result.file = files[1].string();
    CHECK(table.rows(result).starts_with("x??[31m\xef\xbf\xbd.jpg  cat "));
    result.file = files[0].string();
    CHECK(table.rows(result).starts_with("caf\xc3\xa9.jpg      cat "));
}

TEST_CASE("text is made printable") {
    CHECK(to_printable("plain \xe2\x82\xac") == "plain \xe2\x82\xac");
    const std::string replacement = "\xef\xbf\xbd";
    // Overlong, surrogate, beyond U+10FFFF, cut off.
    CHECK(to_printable("\xc0\xaf") == replacement + replacement);
    CHECK(to_printable("\xed\xa0\x80") == replacement + replacement + replacement);
    CHECK(to_printable("\xf4\x90\x80\x80").size() == 12);
    CHECK(to_printable("a\xe2\x82") == "a" + replacement + replacement);
    CHECK(to_printable("\x7f\xc2\x85") == "??");
    CHECK(count_columns("\xe2\x82\xac"
                        "ab") == 3);
    CHECK(pad_left("\xe2\x82\xac", 3) == "  \xe2\x82\xac");
    CHECK(pad_right("long", 2) == "long");
}

TEST_CASE("an object is one line of JSON") {
    Classification result = make_result();
    CHECK(to_json(result) ==
          R"({"file":"a/cat.jpg","class":"cat","index":2,"probability":0.9375,)"
          R"("scores":[0.1,-2.5,3.0],"latency_ms":0.25,"macs":1000,"macs_executed":600,)"
          R"("top":[{"class":"cat","index":2,"probability":0.9375},)"
          R"({"class":"dog","index":0,"probability":0.0625}]})");
    result.best.resize(1);
    result.file = "x\xff\n.jpg";
    result.names = {"\xc3"};
    const std::string line = to_json(result);
    CHECK(line.starts_with("{\"file\":\"x\xef\xbf\xbd\\n.jpg\",\"class\":\"\xef\xbf\xbd\","));
    CHECK(line.ends_with("\"macs_executed\":600}"));
}

TEST_CASE("what is not finite, and a class that is not decided, are null") {
    Classification result;
    result.file = "x.png";
    const float infinity = std::numeric_limits<float>::infinity();
    result.scores = {std::numeric_limits<float>::quiet_NaN(), 0.5f, infinity, -infinity};
    CHECK(to_json(result) ==
          R"({"file":"x.png","class":null,"index":null,"probability":null,)"
          R"("scores":[null,0.5,null,null],"latency_ms":0.0,"macs":0,"macs_executed":0})");
}

TEST_CASE("the summary has medians and means") {
    Summary summary("avx2", 1, {});
    CHECK(summary.empty());
    CHECK(summary.text().empty());
    Classification result = make_result();
    summary.add(result);
    CHECK(summary.text() ==
          "1 image, median 0.250 ms, 40.0% of MACs skipped on average, target avx2, 1 thread\n");

    Summary four("neon", 4, {});
    four.add(result);
    for (const double ms : {100.0, 0.5, 0.75}) {
        result.latency_ms = ms;
        result.macs_executed = 1000;
        four.add(result);
    }
    CHECK(four.text() ==
          "4 images, median 0.625 ms, 10.0% of MACs skipped on average, target neon, 4 threads\n");
    CHECK(four.json() ==
          R"({"summary":{"images":4,"failed":0,"median_latency_ms":0.625,"macs_skipped":0.1,)"
          R"("target":"neon","threads":4,"skipped_files":{"count":0,"first":[]}}})"
          "\n");
}

TEST_CASE("the summary names the first of the skipped files") {
    const std::vector<std::filesystem::path> files = {"a", "b\n", "c\xff", "d", "e", "f"};
    CHECK(Summary("avx2", 1, std::span(files).first(1)).text() == "skipped 1 other file: a\n");
    const Summary summary("avx2", 1, files);
    CHECK(summary.text() == "skipped 6 other files: a, b?, c\xef\xbf\xbd, d, e, ...\n");
    CHECK(summary.json().find(R"("skipped_files":{"count":6,"first":["a","b\n","c)"
                              "\xef\xbf\xbd"
                              R"(","d","e"]})") != std::string::npos);
}

TEST_CASE("the summary of an evaluation ends with accuracies and speed") {
    Summary summary("avx2", 2, {});
    for (const std::size_t place : {0, 1, 4, 5}) {
        summary.add(make_result());
        summary.add_place(place);
    }
    summary.set_seconds(0.5);
    CHECK(summary.text().ends_with(
        "\ntop-1 25.00%, top-5 75.00%, 40.00% of MACs skipped, 8.0 images per second\n"));
    summary.add_failure();
    CHECK(summary.text().ends_with("8.0 images per second, without 1 failed image\n"));
    CHECK(summary.json().find(R"("failed":1)") != std::string::npos);
    CHECK(summary.json().ends_with(R"("top1":0.25,"top5":0.75,"images_per_second":8.0}})"
                                   "\n"));

    Summary nothing("avx2", 2, {});
    nothing.set_seconds(0.5);
    nothing.add_failure();
    CHECK(nothing.text().empty());
    CHECK(nothing.json().ends_with(R"("top1":null,"top5":null,"images_per_second":null}})"
                                   "\n"));
}

TEST_CASE("the progress bar fills") {
    CHECK(draw_progress(0, 2) == "[" + std::string(32, '.') + "] 0/2");
    CHECK(draw_progress(1, 2) == "[" + std::string(16, '#') + std::string(16, '.') + "] 1/2");
    CHECK(draw_progress(7, 7) == "[" + std::string(32, '#') + "] 7/7");
}

TEST_CASE("classes without labels go by number") {
    CHECK(name_class({}, 7) == "class 7");
    CHECK(name_class({"cat", "dog"}, 1) == "dog");
    CHECK(check_label_count({}, 10, "m.onnx").ok());
    CHECK(check_label_count({"a", "b"}, 2, "m.onnx").ok());
    CHECK(check_label_count({"a", "b"}, 3, "l.txt").message().starts_with("l.txt: has 2 class"));
    CHECK(check_label_count({"a"}, 1, "m.onnx").ok());
    CHECK(check_label_count({"a", "b"}, 1, "m.onnx").ok());
    CHECK(check_label_count({"a", "b", "c"}, 1, "l.txt").message().ends_with("one or two names"));
}
