#pragma once
// How well a model does: loss on held-out shards, and answers to tasks.

#include <functional>
#include <string>
#include <vector>

#include "engine/generator.h"
#include "evaluate/task.h"
#include "tokenizer/tokenizer.h"
#include "train/token_shard.h"

namespace fathom::evaluate {

struct ShardLoss {
  double nll = 0;      // nats, of all learned tokens
  int64_t tokens = 0;  // learned ones
  int64_t hits = 0;    // of them the model's first choice
  int64_t text_bytes = 0;

  double loss() const { return nll / static_cast<double>(std::max<int64_t>(1, tokens)); }
  // Bits a byte of the text that the tokens stand for; the ends of documents are paid for too.
  double bits_per_byte() const;
};

// Loss on every document, each from its beginning; what is longer than `context` is read in windows of it, each of
// which knows nothing of the ones before. `progress` hears of the tokens done.
ShardLoss shard_loss(const model::Transformer& model, const ops::Context& ctx, const train::TokenShard& shard,
                     int64_t context, const std::function<void(int64_t)>& progress);

struct TaskResult {
  const Task* task = nullptr;
  bool is_right = false;
  bool is_too_long = false;  // the prompt does not fit the context: nothing was asked
  double f1 = 0;             // of words, for exact answers
  std::string text = {};     // what the model wrote behind its reasoning, or the choice that it made
  int64_t tokens = 0;
};

struct TaskParams {
  int64_t max_tokens = 256;
  std::vector<int32_t> stop_tokens;
  tokenizer::ChatEncoding encoding = tokenizer::ChatEncoding::kV31;
};

// Answers without chance: the most likely token each time.
class TaskRunner {
 public:
  TaskRunner(const model::Transformer& model, const ops::Context& ctx,
             std::shared_ptr<const tokenizer::Tokenizer> tokenizer, const TaskParams& params, int64_t context);

  // A prompt that leaves no room in the context is answered wrongly.
  TaskResult run(const Task& task);

 private:
  TaskResult choose(const Task& task);

  const model::Transformer& model_;
  ops::Context ctx_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  TaskParams params_;
  engine::Generator generator_;
};

int64_t too_long(const std::vector<TaskResult>& results);

// One row of a report: tasks of a kind and check.
struct Score {
  std::string kind;
  Check check = Check::kExact;
  int64_t tasks = 0;
  int64_t right = 0;
  double f1 = 0;  // sum
};

// In order of kind and check.
std::vector<Score> scores(const std::vector<TaskResult>& results);

}  // namespace fathom::evaluate
