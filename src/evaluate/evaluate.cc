#include "evaluate/evaluate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "tokenizer/reasoning_splitter.h"
#include "tokenizer/stream_decoder.h"
#include "train/step.h"

namespace fathom::evaluate {
namespace {

// Tokens of a forward pass.
constexpr int64_t kPassTokens = 4096;

// The windows of a document: of each token the one behind it is the target.
void append_windows(std::span<const train::ShardToken> document, int64_t context, std::vector<train::Sequence>& out) {
  for (size_t begin = 0; begin + 1 < document.size(); begin += static_cast<size_t>(context)) {
    train::Sequence sequence;
    const size_t end = std::min(document.size() - 1, begin + static_cast<size_t>(context));
    for (size_t i = begin; i < end; ++i) {
      sequence.inputs.push_back(document[i].id());
      sequence.targets.push_back(document[i + 1].is_learned() ? document[i + 1].id() : ops::kNoTarget);
    }
    out.push_back(std::move(sequence));
  }
}

}  // namespace

double ShardLoss::bits_per_byte() const {
  return nll / std::numbers::ln2 / static_cast<double>(std::max<int64_t>(1, text_bytes));
}

ShardLoss shard_loss(const model::Transformer& model, const ops::Context& ctx, const train::TokenShard& shard,
                     int64_t context, const std::function<void(int64_t)>& progress) {
  ShardLoss out = {.text_bytes = shard.text_bytes()};
  std::vector<train::Sequence> waiting;
  int64_t waiting_tokens = 0;
  const auto pass = [&] {
    if (waiting.empty()) return;
    const ops::CrossEntropyLoss loss = train::forward_loss(model, ctx, waiting);
    out.nll += loss.nll;
    out.tokens += loss.tokens;
    out.hits += loss.hits;
    waiting.clear();
    waiting_tokens = 0;
  };
  int64_t done = 0;
  for (int64_t i = 0; i < shard.documents(); ++i) {
    const auto document = shard.document(i);
    append_windows(document, context, waiting);
    waiting_tokens += static_cast<int64_t>(document.size());
    done += static_cast<int64_t>(document.size());
    if (waiting_tokens < kPassTokens) continue;
    pass();
    progress(done);
  }
  pass();
  return out;
}

TaskRunner::TaskRunner(const model::Transformer& model, const ops::Context& ctx,
                       std::shared_ptr<const tokenizer::Tokenizer> tokenizer, const TaskParams& params, int64_t context)
    : model_(model), ctx_(ctx), tokenizer_(std::move(tokenizer)), params_(params), generator_(model, ctx, context) {}

TaskResult TaskRunner::run(const Task& task) {
  if (task.check == Check::kChoice) return choose(task);
  TaskResult out = {.task = &task};
  const std::vector<int32_t> prompt = tokenizer_->encode(task.prompt);
  engine::GenerateParams params;
  params.sampling.temperature = 0;
  params.sampling.vocab_size = static_cast<int64_t>(tokenizer_->vocab_size());
  const int64_t room = generator_.context() - static_cast<int64_t>(prompt.size());
  if (room < 1) {
    out.is_too_long = true;
    return out;
  }
  params.max_tokens = std::min(params_.max_tokens, room);
  params.stop_tokens = params_.stop_tokens;
  // Calls stand between controls, which are part of the text here.
  tokenizer::StreamDecoder decoder(tokenizer_, false);
  tokenizer::ReasoningSplitter splitter(task.is_reasoning);
  generator_.generate(prompt, params, [&](int32_t token) {
    ++out.tokens;
    out.text += splitter.push(decoder.push(token)).content;
    return task.check != Check::kLine || out.text.find('\n') == std::string::npos;
  });
  out.text += splitter.push(decoder.finish()).content;
  out.text += splitter.finish().content;
  out.is_right = is_right(task, params_.encoding, out.text);
  if (task.check == Check::kExact) {
    for (const std::string& answer : task.answers) out.f1 = std::max(out.f1, word_f1(out.text, answer));
  }
  return out;
}

// The choice with the largest probability behind the prompt, all of its tokens together.
TaskResult TaskRunner::choose(const Task& task) {
  TaskResult out = {.task = &task};
  double best = 0;
  size_t chosen = 0;
  for (size_t c = 0; c < task.choices.size(); ++c) {
    std::vector<tokenizer::Segment> whole = task.prompt;
    const auto prompt = static_cast<int64_t>(tokenizer_->encode(whole).size());
    whole.push_back(tokenizer::plain(task.choices[c]));
    const std::vector<int32_t> ids = tokenizer_->encode(whole);
    if (static_cast<int64_t>(ids.size()) > generator_.context()) {
      out.is_too_long = true;
      return out;
    }
    train::Sequence sequence;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      sequence.inputs.push_back(ids[i]);
      sequence.targets.push_back(static_cast<int64_t>(i) + 1 < prompt ? ops::kNoTarget : ids[i + 1]);
    }
    const double nll = train::forward_loss(model_, ctx_, {&sequence, 1}).nll;
    if (c == 0 || nll < best) {
      best = nll;
      chosen = c;
    }
  }
  out.text = task.choices[chosen];
  out.is_right = chosen == task.choice;
  return out;
}

int64_t too_long(const std::vector<TaskResult>& results) {
  return std::count_if(results.begin(), results.end(), [](const TaskResult& result) { return result.is_too_long; });
}

std::vector<Score> scores(const std::vector<TaskResult>& results) {
  std::map<std::pair<std::string, Check>, Score> rows;
  for (const TaskResult& result : results) {
    Score& row = rows[{result.task->kind, result.task->check}];
    row.kind = result.task->kind;
    row.check = result.task->check;
    ++row.tasks;
    row.right += result.is_right ? 1 : 0;
    row.f1 += result.f1;
  }
  std::vector<Score> out;
  for (auto& [key, row] : rows) out.push_back(std::move(row));
  return out;
}

}  // namespace fathom::evaluate
