// Tasks as they are read, and answers as they are judged.

#include "evaluate/evaluate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <sstream>

#include "base/error.h"
#include "engine/loaded_model.h"
#include "train/step.h"

namespace fathom::evaluate {
namespace {

using tokenizer::ChatEncoding;

std::vector<Task> tasks_of(const std::string& lines) {
  std::istringstream in(lines);
  return read_tasks(in, "tasks.jsonl", ChatEncoding::kV31);
}

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no Error was thrown";
  return "";
}

bool judge(const Task& task, const std::string& text) { return is_right(task, ChatEncoding::kV31, text); }

TEST(Tasks, ChatsAskForTheirLastAnswer) {
  const auto tasks = tasks_of(
      R"({"id":"a","kind":"arith","messages":[{"role":"user","content":"1+1?"},{"role":"assistant","content":"2","reasoning_content":"easy"}],"answer":"2"})");
  ASSERT_EQ(tasks.size(), 1U);
  EXPECT_EQ(tasks[0].kind, "arith");
  EXPECT_TRUE(tasks[0].is_reasoning);
  EXPECT_TRUE(tokenizer::text_of(tasks[0].prompt).ends_with("<think>"));
  EXPECT_TRUE(judge(tasks[0], " 2\n"));
  EXPECT_FALSE(judge(tasks[0], "22"));
}

TEST(Tasks, CallsAreTasksOfTheirOwn) {
  const auto tasks = tasks_of(
      R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\": 1, \"b\": [2]}"}}]},{"role":"tool","tool_call_id":"1","content":"r"},{"role":"assistant","content":"done"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"answer":"done"})");
  ASSERT_EQ(tasks.size(), 2U);
  EXPECT_EQ(tasks[0].check, Check::kCalls);
  EXPECT_EQ(tasks[0].id, "line 1");
  const auto call = [](const std::string& name, const std::string& arguments) {
    return "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>" + name + "<｜tool▁sep｜>" + arguments +
           "<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
  };
  EXPECT_TRUE(judge(tasks[0], call("f", "{\"b\":[2],\"a\":1}")));
  EXPECT_FALSE(judge(tasks[0], call("g", "{\"b\":[2],\"a\":1}")));
  EXPECT_FALSE(judge(tasks[0], call("f", "{\"b\":[2],\"a\":2}")));
  EXPECT_FALSE(judge(tasks[0], call("f", "{\"b\":[2]")));
  EXPECT_FALSE(judge(tasks[0], "f"));
  EXPECT_EQ(tasks[1].check, Check::kExact);
  EXPECT_TRUE(judge(tasks[1], "done"));
}

TEST(Tasks, JsonIsComparedAsValues) {
  const auto tasks = tasks_of(
      R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"{\"a\": 1, \"b\": \"x\"}"}],"answer":"{\"a\": 1, \"b\": \"x\"}","response_format":{"type":"json_object"}})");
  ASSERT_EQ(tasks.size(), 1U);
  EXPECT_TRUE(judge(tasks[0], "{\"b\":\"x\",\"a\":1}"));
  EXPECT_FALSE(judge(tasks[0], "{\"b\":\"x\",\"a\":2}"));
  EXPECT_FALSE(judge(tasks[0], "{\"b\":\"x\""));
}

TEST(Tasks, LinesAreCompletedToTheirEnd) {
  const auto tasks = tasks_of(
      "{\"prompt\":\"a = \",\"suffix\":\"\\nend\",\"answer\":\"b + c\"}\n\n{\"prompt\":\"x\",\"answer\":\"y\"}");
  ASSERT_EQ(tasks.size(), 2U);
  EXPECT_EQ(tasks[0].kind, "fim");
  EXPECT_EQ(tasks[1].kind, "tasks");
  EXPECT_TRUE(judge(tasks[0], "b + c  \nmore"));
  EXPECT_FALSE(judge(tasks[0], " b + c"));
}

TEST(Tasks, ChoicesAreNamedByTextOrPlace) {
  const auto tasks = tasks_of(
      "{\"prompt\":\"q\",\"choices\":[\"a\",\"b\"],\"answer\":\"b\"}\n{\"prompt\":\"q\",\"choices\":[\"a\",\"b\"],"
      "\"answer\":0}");
  EXPECT_EQ(tasks[0].choice, 1U);
  EXPECT_EQ(tasks[1].choice, 0U);
}

TEST(Tasks, ErrorsNameLineAndField) {
  EXPECT_NE(error_of([] { tasks_of("{}\n"); }).find("line 1"), std::string::npos);
  EXPECT_NE(error_of([] { tasks_of("\n{\"prompt\":1,\"answer\":\"x\"}"); }).find("line 2"), std::string::npos);
  EXPECT_NE(error_of([] { tasks_of("{\"prompt\":\"q\",\"choices\":[\"a\"],\"answer\":0}"); }).find("choices"),
            std::string::npos);
  EXPECT_NE(error_of([] { tasks_of("{\"prompt\":\"q\",\"choices\":[\"a\",\"b\"],\"answer\":\"c\"}"); }).find("answer"),
            std::string::npos);
}

TEST(WordF1, CountsCommonWords) {
  EXPECT_EQ(word_f1("a b c", "a b c"), 1);
  EXPECT_EQ(word_f1("", "a"), 0);
  EXPECT_EQ(word_f1("", ""), 1);
  EXPECT_NEAR(word_f1("a b b x", "b a"), 2 * 2.0 / 6, 1e-12);
}

class Tiny : public testing::Test {
 protected:
  engine::LoadedModel model_{"models/tiny", {.compute = ops::Compute::kF32, .threads = 2}};
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_ = tokenizer::Tokenizer::load("models/tiny");
};

// Windows know nothing of each other; what is not learned is not counted.
TEST_F(Tiny, ShardLossIsTheSumOverDocuments) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("fathom-eval-" + std::to_string(::getpid()) + ".tokens")).string();
  const std::vector<int32_t> ids = {1, 20, 31, 7, 9, 50, 2};
  train::Document document;
  for (size_t i = 0; i < ids.size(); ++i) document.emplace_back(ids[i], i != 3);
  train::write_token_shard(path, {document, document}, 100, 0, 20);
  const auto shard = train::TokenShard::open(path);
  const ShardLoss whole = shard_loss(model_.transformer(), model_.context(), *shard, 100, [](int64_t) {});
  EXPECT_EQ(whole.tokens, 2 * 5);
  EXPECT_NEAR(whole.bits_per_byte(), whole.nll / std::log(2.0) / 20, 1e-12);

  train::Sequence sequence;
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    sequence.inputs.push_back(ids[i]);
    sequence.targets.push_back(i + 1 == 3 ? ops::kNoTarget : ids[i + 1]);
  }
  EXPECT_NEAR(whole.nll, 2 * train::forward_loss(model_.transformer(), model_.context(), {&sequence, 1}).nll, 1e-3);
  const ShardLoss cut = shard_loss(model_.transformer(), model_.context(), *shard, 2, [](int64_t) {});
  EXPECT_EQ(cut.tokens, whole.tokens);
  EXPECT_NE(cut.nll, whole.nll);
  std::filesystem::remove(path);
}

TEST_F(Tiny, AnswersAndChoosesTheSameTwice) {
  TaskParams params = {.max_tokens = 12, .stop_tokens = {}, .encoding = ChatEncoding::kV31};
  TaskRunner runner(model_.transformer(), model_.context(), tokenizer_, params, 256);
  const auto tasks = tasks_of(
      "{\"prompt\":\"def f\",\"suffix\":\"end\",\"answer\":\"x\"}\n"
      "{\"prompt\":\"the \",\"choices\":[\"and\",\"qqqzzzxxx\"],\"answer\":0}\n"
      "{\"prompt\":\"the \",\"choices\":[\"qqqzzzxxx\",\"and\"],\"answer\":0}");
  for (int round = 0; round < 2; ++round) {
    const TaskResult line = runner.run(tasks[0]);
    EXPECT_LE(line.tokens, 12);
    EXPECT_EQ(line.text, runner.run(tasks[0]).text);
    // The same choice wherever it stands.
    EXPECT_EQ(runner.run(tasks[1]).text, runner.run(tasks[2]).text);
    EXPECT_NE(runner.run(tasks[1]).is_right, runner.run(tasks[2]).is_right);
  }
  std::vector<TaskResult> results;
  for (const Task& task : tasks) results.push_back(runner.run(task));
  const auto rows = scores(results);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].kind, "fim");
  EXPECT_EQ(rows[1].tasks, 2);
  EXPECT_EQ(rows[1].right, 1);
}

TEST_F(Tiny, PromptsThatDoNotFitAreWrong) {
  TaskRunner runner(model_.transformer(), model_.context(), tokenizer_, {.max_tokens = 4, .stop_tokens = {}}, 12);
  const auto tasks = tasks_of(
      "{\"prompt\":\"one two three four five six seven eight nine ten eleven twelve thirteen\",\"answer\":\"x\"}\n"
      "{\"prompt\":\"the \",\"choices\":[\"and\",\"one two three four five six seven eight nine ten eleven "
      "twelve\"],\"answer\":0}\n"
      "{\"prompt\":\"the \",\"answer\":\"x\"}\n"
      "{\"prompt\":\"the \",\"choices\":[\"and\",\"or\"],\"answer\":0}");
  std::vector<TaskResult> results;
  for (const Task& task : tasks) results.push_back(runner.run(task));
  for (const size_t i : {0, 1}) {
    EXPECT_TRUE(results[i].is_too_long) << i;
    EXPECT_FALSE(results[i].is_right) << i;
    EXPECT_EQ(results[i].text, "") << i;
  }
  EXPECT_FALSE(results[2].is_too_long);
  EXPECT_FALSE(results[3].is_too_long);
  EXPECT_EQ(too_long(results), 2);
}

}  // namespace
}  // namespace fathom::evaluate
