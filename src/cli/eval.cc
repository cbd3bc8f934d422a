// fathom eval: loss on held-out text, and answers to tasks.

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <map>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/progress.h"
#include "cli/chat_flags.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_flags.h"
#include "evaluate/evaluate.h"

namespace fathom::cli {
namespace {

struct EvalFlags {
  ModelFlags model;
  ChatFlags chat;
  std::vector<std::string> shards;
  std::vector<std::string> tasks;
  std::string out;
  int64_t context = 0;
  int64_t limit = 0;
  int64_t max_tokens = 256;
};

void stop_when_interrupted() {
  if (InterruptGuard::is_interrupted()) throw Interrupted();
}

void evaluate_shards(const EvalFlags& flags, engine::LoadedModel& model, const ops::Context& ctx, int64_t context) {
  size_t width = 5;
  for (const std::string& path : flags.shards) width = std::max(width, path.size());
  fmt::print("{:<{}}  {:>9}  {:>7}  {:>10}  {:>8}\n", "shard", width, "tokens", "loss", "perplexity", "bits/byte");
  for (const std::string& path : flags.shards) {
    const auto shard = train::TokenShard::open(path);
    if (shard->vocab_size() > model.config().vocab_size) {
      fail(ErrorCode::kInvalidData, path, "has a vocabulary of {}, the model one of {}", shard->vocab_size(),
           model.config().vocab_size);
    }
    evaluate::ShardLoss loss;
    {
      Progress progress(path, shard->tokens());
      loss = evaluate::shard_loss(model.transformer(), ctx, *shard, context, [&](int64_t done) {
        stop_when_interrupted();
        progress.update(done);
      });
    }
    fmt::print("{:<{}}  {:>9}  {:>7.4f}  {:>10.3f}  {:>8.4f}\n", path, width, loss.tokens, loss.loss(),
               std::exp(loss.loss()), loss.bits_per_byte());
    std::fflush(stdout);
  }
}

// At most `limit` of each kind.
std::vector<evaluate::Task> read_all(const EvalFlags& flags, tokenizer::ChatEncoding encoding) {
  std::vector<evaluate::Task> out;
  std::map<std::pair<std::string, evaluate::Check>, int64_t> taken;
  for (const std::string& path : flags.tasks) {
    std::ifstream in(path, std::ios::binary);
    if (!in) fail(ErrorCode::kNotFound, path, "cannot open");
    for (evaluate::Task& task : evaluate::read_tasks(in, path, encoding)) {
      if (flags.limit > 0 && ++taken[{task.kind, task.check}] > flags.limit) continue;
      out.push_back(std::move(task));
    }
  }
  return out;
}

json::Value record(const evaluate::TaskResult& result) {
  const evaluate::Task& task = *result.task;
  json::Object line = {{"id", task.id},
                       {"kind", task.kind},
                       {"check", evaluate::check_name(task.check)},
                       {"right", result.is_right},
                       {"text", result.text}};
  if (result.is_too_long) line["too_long"] = true;
  if (!task.answers.empty()) line["expected"] = task.answers.back();
  if (task.check == evaluate::Check::kChoice) line["expected"] = task.choices[task.choice];
  for (const tokenizer::ToolCall& call : task.calls) line["expected"] = call.name + " " + call.arguments;
  return line;
}

void evaluate_tasks(const EvalFlags& flags, engine::LoadedModel& model, const ops::Context& ctx, int64_t context) {
  const auto tokenizer = tokenizer::Tokenizer::load(flags.model.model);
  evaluate::TaskParams params = {.max_tokens = flags.max_tokens,
                                 .stop_tokens = {},
                                 .encoding = flags.chat.encoding_for(flags.model.model, *tokenizer)};
  for (const int64_t id : model.config().eos_token_ids) params.stop_tokens.push_back(static_cast<int32_t>(id));
  const std::vector<evaluate::Task> tasks = read_all(flags, params.encoding);
  evaluate::TaskRunner runner(model.transformer(), ctx, tokenizer, params, context);
  std::vector<evaluate::TaskResult> results;
  {
    Progress progress("tasks", static_cast<int64_t>(tasks.size()));
    for (const evaluate::Task& task : tasks) {
      stop_when_interrupted();
      results.push_back(runner.run(task));
      progress.update(static_cast<int64_t>(results.size()));
    }
  }
  fmt::print("{:<20}  {:<6}  {:>6}  {:>6}  {:>7}  {:>7}\n", "kind", "check", "tasks", "right", "share", "word F1");
  for (const evaluate::Score& row : evaluate::scores(results)) {
    const auto tasks_of_row = static_cast<double>(row.tasks);
    fmt::print("{:<20}  {:<6}  {:>6}  {:>6}  {:>5.1f} %", row.kind, evaluate::check_name(row.check), row.tasks,
               row.right, 100 * static_cast<double>(row.right) / tasks_of_row);
    if (row.check == evaluate::Check::kExact) fmt::print("  {:>5.1f} %", 100 * row.f1 / tasks_of_row);
    fmt::print("\n");
  }
  if (const int64_t count = evaluate::too_long(results); count > 0) {
    fmt::print("{} too long for the context of {}, counted as wrong\n",
               count == 1 ? "1 prompt was" : fmt::format("{} prompts were", count), context);
  }
  if (flags.out.empty()) return;
  AtomicFile file(flags.out);
  for (const auto& result : results) file.write(json::dump(record(result)) + "\n");
  file.commit();
}

void run(const EvalFlags& flags) {
  if (flags.shards.empty() && flags.tasks.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "nothing to evaluate", "fathom eval", "give --shard or --tasks");
  }
  const auto model = flags.model.load();
  const int64_t limit = model->config().max_position_embeddings;
  const int64_t context = flags.context > 0 ? std::min(flags.context, limit) : std::min<int64_t>(limit, 4096);
  const InterruptGuard guard;
  if (!flags.shards.empty()) evaluate_shards(flags, *model, model->context(), context);
  if (!flags.tasks.empty()) evaluate_tasks(flags, *model, model->context(), context);
}

}  // namespace

void add_eval(CLI::App& app) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* command = app.add_subcommand("eval", "measure a model: loss on held-out shards, answers to tasks");
  flags->model.add_to(*command);
  flags->chat.add_to(*command);
  command->add_option("--shard", flags->shards, "token shards for loss and bits per byte")->type_name("FILE");
  command
      ->add_option("--tasks", flags->tasks,
                   "JSONL of chats with an answer, of prompt (and suffix) with an answer, or with choices")
      ->type_name("FILE");
  command->add_option("--context", flags->context, "longest window; 0: the model's, at most 4096")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--limit", flags->limit, "most tasks of each kind; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("-n,--max-tokens", flags->max_tokens, "longest answer")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("-o,--out", flags->out, "write what was answered to each task, as JSONL")->type_name("FILE");
  command->footer(
      "Example:\n"
      "  fathom eval --model DIR --shard my-data/heldout.tokens --tasks chat.heldout.jsonl --out answers.jsonl");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
