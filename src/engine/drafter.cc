#include "engine/drafter.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace fathom::engine {

Drafter::Drafter(const model::Transformer& model, const ops::Context& ctx, ops::LatentCache& cache)
    : model_(model), ctx_(ctx), cache_(cache), pending_(model.mtp().size()), done_(model.mtp().size() + 1, 0) {}

void Drafter::truncate(int64_t length) {
  for (int64_t& done : done_) done = std::min(done, length);
  for (Pending& pending : pending_) {
    if (pending.first >= length) {
      pending = {.first = length, .rows = {}};
    } else if (pending.end() > length) {
      pending.rows = pending.rows.rows(0, length - pending.first);
    }
  }
}

void Drafter::append(Pending& pending, int64_t first, const Tensor& rows) {
  if (!pending.rows.defined() || pending.first >= first) {
    pending = {.first = first, .rows = rows};
    return;
  }
  FATHOM_CHECK_MSG(first <= pending.end(), "hidden states from {} on after those up to {}", first, pending.end());
  const int64_t kept = first - pending.first;
  const int64_t width = rows.dim(1);
  Tensor joined = ctx_.empty({kept + rows.dim(0), width});
  std::memcpy(joined.f32(), pending.rows.f32(), static_cast<size_t>(kept * width) * sizeof(float));
  std::memcpy(joined.row(kept), rows.f32(), rows.bytes());
  pending.rows = joined;
}

void Drafter::drop_before(Pending& pending, int64_t position) {
  if (!pending.rows.defined() || position <= pending.first) return;
  const int64_t drop = std::min(position, pending.end()) - pending.first;
  pending.rows = drop == pending.rows.dim(0) ? Tensor() : pending.rows.rows(drop, pending.rows.dim(0));
  pending.first += drop;
}

void Drafter::add_hidden(int64_t first, const Tensor& hidden_TD) { append(pending_[0], first, hidden_TD); }

Tensor Drafter::run_module(size_t k, int64_t end, std::span<const int32_t> tokens, Sequence& sequence) {
  const model::MtpModule& module = model_.mtp()[k - 1];
  const int64_t begin = done_[k];
  const Pending& below = pending_[k - 1];
  FATHOM_CHECK_MSG(below.first <= begin && end <= below.end(), "module {} wants [{}, {}) of [{}, {})", k, begin, end,
                   below.first, below.end());
  ops::TokenBatch batch;
  const auto later = tokens.subspan(static_cast<size_t>(begin) + k, static_cast<size_t>(end - begin));
  batch.tokens.assign(later.begin(), later.end());
  batch.spans = {sequence.view(begin, end - begin)};
  const Tensor hidden = module.forward(ctx_, module.embed(ctx_, later),
                                       below.rows.rows(begin - below.first, end - below.first), batch, cache_);
  if (k < pending_.size()) append(pending_[k], begin, hidden);
  return hidden;
}

std::vector<int32_t> Drafter::draft(std::span<const int32_t> tokens, Sequence& sequence, Sampler& sampler,
                                    const TokenCounts& counts) {
  const int64_t cached = sequence.cached();
  FATHOM_CHECK(static_cast<int64_t>(tokens.size()) == cached + 1);
  std::vector<int32_t> known(tokens.begin(), tokens.end());
  TokenCounts seen = sampler.has_penalty() ? counts : TokenCounts();
  for (size_t k = 1; k < done_.size(); ++k) {
    const Tensor hidden = run_module(k, cached, known, sequence);
    const Tensor logits = model_.mtp()[k - 1].logits(ctx_, hidden.rows(hidden.dim(0) - 1, hidden.dim(0)));
    const int32_t token =
        sampler.choose({logits.f32(), static_cast<size_t>(logits.count())}, seen, static_cast<int64_t>(known.size()));
    known.push_back(token);
    ++seen[token];
    // Final are the positions whose own later token has really come.
    done_[k] = std::max(done_[k], cached + 1 - static_cast<int64_t>(k));
    drop_before(pending_[k - 1], done_[k]);
  }
  return {known.begin() + static_cast<int64_t>(tokens.size()), known.end()};
}

void Drafter::catch_up(std::span<const int32_t> tokens, Sequence& sequence) {
  for (size_t k = 1; k < done_.size(); ++k) {
    const int64_t end = std::min(sequence.cached(), static_cast<int64_t>(tokens.size()) - static_cast<int64_t>(k));
    if (end <= done_[k] || pending_[k - 1].end() < end) continue;
    run_module(k, end, tokens, sequence);
    done_[k] = end;
    drop_before(pending_[k - 1], end);
  }
}

}  // namespace fathom::engine
