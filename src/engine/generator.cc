#include "engine/generator.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "kernels/attention.h"

namespace fathom::engine {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::span<const float> row_of(const Tensor& logits, int64_t row) {
  return {logits.row(row), static_cast<size_t>(logits.dim(1))};
}

}  // namespace

Generator::Generator(const model::Transformer& model, const ops::Context& ctx, int64_t context)
    : model_(model),
      ctx_(ctx),
      context_(context),
      // Drafts may reach past the last token of a full context.
      pool_(ceil_div(context + static_cast<int64_t>(model.mtp().size()) + 1, kernels::kPageTokens)),
      cache_(model.cache_shape(), ctx.compute, pool_.size()),
      sequence_(pool_) {
  if (!model.mtp().empty()) drafter_.emplace(model_, ctx_, cache_);
}

void Generator::check_prompt(std::span<const int32_t> prompt) const {
  if (prompt.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "is empty, expected at least one token", "prompt",
                "give some text, or --bos for the begin-of-sentence token alone");
  }
  if (static_cast<int64_t>(prompt.size()) >= context_) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("has {} tokens, the context holds {} with the answer", prompt.size(), context_), "prompt",
                "shorten it or raise --context");
  }
  for (size_t i = 0; i < prompt.size(); ++i) {
    if (prompt[i] < 0 || prompt[i] >= model_.config().vocab_size) {
      fail(ErrorCode::kInvalidArgument, "prompt", "token {} at position {} is outside of the vocabulary of {}",
           prompt[i], i, model_.config().vocab_size);
    }
  }
}

int64_t Generator::reuse_prefix(std::span<const int32_t> prompt, bool use_mtp) {
  const auto mismatch = std::mismatch(prompt.begin(), prompt.end(), tokens_.begin(), tokens_.end());
  const int64_t same = mismatch.first - prompt.begin();
  // The last prompt token is always computed: its hidden state gives the first logits.
  int64_t common = std::min({same, sequence_.cached(), static_cast<int64_t>(prompt.size()) - 1});
  is_drafting_ = drafter_.has_value() && use_mtp;
  if (is_drafting_) {
    // Module k has seen token i + k at position i. Hidden states are not kept, so what the modules have not seen, or
    // seen with another token, must be computed again for them.
    const auto modules = static_cast<int64_t>(model_.mtp().size());
    common = std::max<int64_t>(0, std::min({common, drafter_->done(), same - modules}));
  }
  sequence_.truncate(common);
  if (drafter_) drafter_->truncate(is_drafting_ ? common : 0);
  tokens_.assign(prompt.begin(), prompt.end());
  return common;
}

Tensor Generator::forward(std::span<const int32_t> tokens) {
  ops::TokenBatch batch;
  batch.tokens.assign(tokens.begin(), tokens.end());
  batch.spans = {sequence_.extend(0, batch.size())};
  return model_.forward(ctx_, batch, cache_);
}

Tensor Generator::prefill(const GenerateParams& params, const std::function<void(int64_t)>& on_prefill) {
  const auto total = static_cast<int64_t>(tokens_.size());
  const int64_t chunk = std::max<int64_t>(1, params.prefill_chunk);
  while (true) {
    const int64_t first = sequence_.cached();
    const int64_t count = std::min(chunk, total - first);
    const Tensor hidden = forward(std::span(tokens_).subspan(static_cast<size_t>(first), static_cast<size_t>(count)));
    sequence_.confirm(count);
    if (is_drafting_) {
      drafter_->add_hidden(first, hidden);
      drafter_->catch_up(tokens_, sequence_);
    }
    if (on_prefill) on_prefill(sequence_.cached());
    if (sequence_.cached() == total) return hidden.rows(count - 1, count);
  }
}

int64_t Generator::step(Sampler& sampler, TokenCounts& counts, GenerateStats& stats) {
  std::vector<int32_t> drafts;
  const int64_t room = context_ - static_cast<int64_t>(tokens_.size());
  if (is_drafting_ && room > 1) drafts = drafter_->draft(tokens_, sequence_, sampler, counts);
  drafts.resize(std::min<size_t>(drafts.size(), static_cast<size_t>(std::max<int64_t>(0, room - 1))));

  std::vector<int32_t> input = {tokens_.back()};
  input.insert(input.end(), drafts.begin(), drafts.end());
  const int64_t first = sequence_.cached();
  const Tensor hidden = forward(input);
  const Tensor logits = model_.logits(ctx_, hidden);
  int64_t taken = 0;
  while (true) {
    const int32_t token = sampler.choose(row_of(logits, taken), counts, static_cast<int64_t>(tokens_.size()));
    tokens_.push_back(token);
    ++counts[token];
    ++taken;
    if (static_cast<size_t>(taken) > drafts.size() || token != drafts[static_cast<size_t>(taken) - 1]) break;
  }
  sequence_.confirm(taken);
  if (is_drafting_) drafter_->add_hidden(first, hidden.rows(0, taken));
  ++stats.steps;
  stats.drafted_tokens += static_cast<int64_t>(drafts.size());
  stats.accepted_tokens += taken - 1;
  return taken;
}

GenerateStats Generator::generate(std::span<const int32_t> prompt, const GenerateParams& params,
                                  const std::function<bool(int32_t)>& on_token,
                                  const std::function<void(int64_t)>& on_prefill) {
  check_prompt(prompt);
  Sampler sampler(params.sampling);
  TokenCounts counts;
  GenerateStats stats{.prompt_tokens = static_cast<int64_t>(prompt.size())};

  const auto prefill_start = std::chrono::steady_clock::now();
  stats.cached_tokens = reuse_prefix(prompt, params.use_mtp);
  const Tensor last = prefill(params, on_prefill);
  const Tensor logits = model_.logits(ctx_, last);
  stats.prefill_seconds = seconds_since(prefill_start);
  if (params.max_tokens <= 0) return stats;
  tokens_.push_back(sampler.choose(row_of(logits, 0), counts, static_cast<int64_t>(tokens_.size())));
  ++counts[tokens_.back()];

  const auto decode_start = std::chrono::steady_clock::now();
  // Tokens are judged one by one in their order, however many a step brought.
  int64_t fresh = 1;
  while (true) {
    for (; fresh > 0; --fresh) {
      const int32_t token = tokens_[tokens_.size() - static_cast<size_t>(fresh)];
      const bool is_stop =
          std::find(params.stop_tokens.begin(), params.stop_tokens.end(), token) != params.stop_tokens.end();
      if (is_stop) stats.finish_reason = FinishReason::kStop;
      if (!is_stop) ++stats.generated_tokens;
      const bool goes_on = !is_stop && on_token(token);
      if (!is_stop && !goes_on) stats.finish_reason = FinishReason::kCancelled;
      const bool is_full =
          stats.generated_tokens >= params.max_tokens || stats.prompt_tokens + stats.generated_tokens >= context_;
      if (!goes_on || is_full) {
        stats.decode_seconds = seconds_since(decode_start);
        return stats;
      }
    }
    fresh = step(sampler, counts, stats);
  }
}

}  // namespace fathom::engine
