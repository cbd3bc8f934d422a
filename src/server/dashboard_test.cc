// Metrics that are followed while they are written, and the routes that serve them.

#include "server/dashboard.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "server/listener.h"
#include "server/metrics_file.h"
#include "server/test_client.h"

namespace fathom::server {
namespace {

namespace fs = std::filesystem;

class DashboardTest : public testing::Test {
 protected:
  DashboardTest() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / ("fathom_dashboard_" + std::to_string(::getpid()) + "_" + info->name());
    fs::create_directories(folder_ / "run");
    path_ = (folder_ / "run" / "metrics.jsonl").string();
  }
  ~DashboardTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  void add(const std::string& text) const { std::ofstream(path_, std::ios::app | std::ios::binary) << text; }

  // As a restart does: another file under the same name.
  void rewrite(const std::string& text) const {
    std::ofstream(path_ + ".new", std::ios::binary) << text;
    fs::rename(path_ + ".new", path_);
  }

  // What a page learns: the answer, and where it stands then.
  json::Value follow(uint64_t chunk_bytes = kMetricsChunkBytes) {
    json::Value answer = json::parse(read_metrics(path_, position_, chunk_bytes), "answer");
    const json::Reader reader(answer, "answer");
    position_.offset = static_cast<uint64_t>(reader.get("offset").as_int());
    position_.mark = std::string(reader.get("mark").as_string());
    return answer;
  }

  static std::string column(const json::Value& answer, const char* name) {
    return json::dump(json::Reader(answer, "answer").get("columns").get(name).value());
  }

  static bool is_reset(const json::Value& answer) { return json::Reader(answer, "answer").get("reset").as_bool(); }

  fs::path folder_;
  std::string path_;
  MetricsPosition position_;
};

std::string line(int step, double loss, const std::string& more = "") {
  return fmt::format("{{\"step\":{},\"tokens\":{},\"loss\":{}{}}}\n", step, 10 * step, loss, more);
}

TEST_F(DashboardTest, TellsOnlyWhatIsNew) {
  add(line(1, 9.5) + line(2, 9.25, ",\"heldout_loss\":9.125,\"spike\":true"));
  auto answer = follow();
  EXPECT_EQ(column(answer, "step"), "[1,2]");
  EXPECT_EQ(column(answer, "tokens"), "[10,20]");
  EXPECT_EQ(column(answer, "loss"), "[9.5,9.25]");
  EXPECT_EQ(column(answer, "heldout_loss"), "[null,9.125]");
  EXPECT_EQ(column(answer, "spike"), "[0,1]");
  EXPECT_EQ(column(answer, "at"), fmt::format("[0,{}]", line(1, 9.5).size()));
  EXPECT_EQ(column(follow(), "step"), "[]");
  add("{\"step\":3,\"tokens\":30,\"skipped\":true}\n");
  answer = follow();
  EXPECT_EQ(column(answer, "step"), "[3]");
  EXPECT_EQ(column(answer, "loss"), "[null]");
  EXPECT_EQ(column(answer, "skipped"), "[1]");
  EXPECT_FALSE(is_reset(answer));
}

TEST_F(DashboardTest, WaitsForTheEndOfALine) {
  const std::string second = line(2, 8);
  add(line(1, 9) + second.substr(0, 12));
  EXPECT_EQ(column(follow(), "step"), "[1]");
  EXPECT_EQ(column(follow(), "step"), "[]");
  add(second.substr(12));
  EXPECT_EQ(column(follow(), "step"), "[2]");
}

TEST_F(DashboardTest, PassesOverBrokenLines) {
  add("{\"step\":1,\"tok\n\n[1,2]\n{\"loss\":3}\n{\"step\":\"4\"}\n\xff\xfe\n" + line(2, 8) + "{\"step\":3}" +
      line(4, 7) + line(5, 6));
  EXPECT_EQ(column(follow(), "step"), "[2,5]");
}

TEST_F(DashboardTest, NoticesAShorterFile) {
  add(line(1, 9) + line(2, 8) + line(3, 7));
  follow();
  rewrite(line(1, 9));
  const auto answer = follow();
  EXPECT_TRUE(is_reset(answer));
  EXPECT_EQ(column(answer, "step"), "[1]");
}

TEST_F(DashboardTest, NoticesAFileThatHasGrownAgain) {
  add(line(1, 9) + line(2, 8) + line(3, 7));
  follow();
  rewrite(line(1, 9) + line(2, 6) + line(3, 5) + line(4, 4));
  const auto answer = follow();
  EXPECT_TRUE(is_reset(answer));
  EXPECT_EQ(column(answer, "loss"), "[9,6,5,4]");
}

TEST_F(DashboardTest, GoesOnInAFileWhoseKeptLinesAreTheSame) {
  add(line(1, 9) + line(2, 8));
  follow();
  rewrite(line(1, 9) + line(2, 8) + line(3, 7));
  const auto answer = follow();
  EXPECT_FALSE(is_reset(answer));
  EXPECT_EQ(column(answer, "step"), "[3]");
}

TEST_F(DashboardTest, FilesThatComeAndGo) {
  auto answer = follow();
  EXPECT_EQ(column(answer, "step"), "[]");
  EXPECT_TRUE(json::Reader(answer, "answer").get("age").is_null());
  add(line(1, 9));
  EXPECT_EQ(column(follow(), "step"), "[1]");
  fs::remove(path_);
  EXPECT_TRUE(is_reset(follow()));
}

TEST_F(DashboardTest, LargeFilesComeInPieces) {
  std::string expected;
  for (int step = 1; step <= 200; ++step) add(line(step, 5));
  std::string steps;
  int pieces = 0;
  for (bool is_more = true; is_more; ++pieces) {
    const auto answer = follow(500);
    is_more = json::Reader(answer, "answer").get("more").as_bool();
    for (const auto& step : json::Reader(answer, "answer").get("columns").get("step").items())
      steps += std::to_string(step.as_int()) + " ";
  }
  for (int step = 1; step <= 200; ++step) expected += std::to_string(step) + " ";
  EXPECT_EQ(steps, expected);
  EXPECT_GT(pieces, 10);
  position_ = {};
  add(line(201, 5, ",\"note\":\"" + std::string(5000, 'x') + "\""));
  for (int i = 0; i < 100 && json::Reader(follow(500), "answer").get("more").as_bool();) ++i;
  EXPECT_EQ(position_.offset, fs::file_size(path_)) << "a line that is longer than a piece";
}

TEST_F(DashboardTest, AveragesTheLoadOfExperts) {
  const std::string first = line(1, 9, R"(,"expert_load":{"1":[1,3],"2":[2,2]})");
  const std::string second = line(2, 9, R"(,"expert_load":{"1":[3,1],"2":[0,4]})");
  add(first + second + "{\"step\":3,\"skipped\":true}\n" + line(4, 9, R"(,"expert_load":{"1":[1,2,3]})"));
  EXPECT_EQ(read_expert_load(path_, 0, first.size()),
            R"({"first":1,"last":1,"steps":1,"layers":[1,2],"load":[[0.5,1.5],[1,1]]})");
  EXPECT_EQ(read_expert_load(path_, 0, 1 << 20),
            R"({"first":1,"last":2,"steps":2,"layers":[1,2],"load":[[1,1],[0.5,1.5]]})");
  EXPECT_EQ(read_expert_load(path_, 1 << 20, 5), R"({"first":0,"last":0,"steps":0,"layers":[],"load":[]})");
  EXPECT_THROW(read_expert_load(path_ + "x", 0, 5), Error);
}

TEST_F(DashboardTest, TellsRunsOfOneNameApart) {
  for (const char* name : {"a/run", "b/run", "other"}) fs::create_directories(folder_ / name);
  add(line(1, 9));
  const auto runs = dashboard_runs(
      {(folder_ / "a/run").string() + "/", (folder_ / "b/run").string(), (folder_ / "other").string(), path_});
  EXPECT_EQ(runs[0].name, "a/run");
  EXPECT_EQ(runs[1].name, "b/run");
  EXPECT_EQ(runs[2].name, "other");
  EXPECT_EQ(runs[3].metrics, fs::canonical(path_).string());
  EXPECT_THROW(dashboard_runs({(folder_ / "none").string()}), Error);
}

TEST_F(DashboardTest, ServesThePageAndTheRuns) {
  add(line(1, 9));
  const Listener listener({}, dashboard_routes(dashboard_runs({(folder_ / "run").string()})));
  const uint16_t port = listener.port();
  const std::string page = get(port, "/");
  EXPECT_EQ(status_of(page), "200");
  EXPECT_NE(page.find("<!doctype html>"), std::string::npos);
  EXPECT_NE(page.find("Content-Security-Policy"), std::string::npos);
  for (const char* name : {"/main.js", "/chart.js", "/dashboard.css"})
    EXPECT_EQ(status_of(get(port, name)), "200") << name;
  EXPECT_NE(body_of(get(port, "/api/runs")).find(R"("name":"run")"), std::string::npos);
  EXPECT_NE(body_of(get(port, "/api/metrics?run=0&offset=0")).find(R"("step":[1])"), std::string::npos);
  EXPECT_EQ(status_of(get(port, "/api/experts?run=0&begin=0&end=99")), "200");
}

TEST_F(DashboardTest, RequestsThatAskForMore) {
  add(line(1, 9));
  const Listener listener({}, dashboard_routes(dashboard_runs({(folder_ / "run").string()})));
  const uint16_t port = listener.port();
  EXPECT_EQ(status_of(get(port, "/api/metrics?run=1&offset=0")), "404");
  for (const char* query : {"", "?run=0", "?run=-1&offset=0", "?run=0&offset=x", "?run=0&offset=1e3",
                            "?run=0&offset=", "?run=0&offset=99999999999999999999", "?run=../../etc&offset=0"}) {
    EXPECT_EQ(status_of(get(port, std::string("/api/metrics") + query)), "400") << query;
  }
  const std::string answer = get(port, "/api/metrics?run=0&offset=9007199254740992&mark=%3Cx%3E");
  EXPECT_NE(answer.find(R"("reset":true)"), std::string::npos);
}

}  // namespace
}  // namespace fathom::server
