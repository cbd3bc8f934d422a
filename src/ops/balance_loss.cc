#include "ops/balance_loss.h"

#include <cmath>
#include <vector>

namespace fathom::ops {
namespace {

// f of every expert over one sequence.
std::vector<double> frequencies(const Span& span, const Tensor& ids_TK, int64_t experts) {
  std::vector<double> f(static_cast<size_t>(experts), 0.0);
  const int64_t chosen = ids_TK.dim(1);
  const double each = static_cast<double>(experts) / (static_cast<double>(chosen) * static_cast<double>(span.length()));
  for (int64_t i = span.begin * chosen; i < span.end * chosen; ++i) f[static_cast<size_t>(ids_TK.i32()[i])] += each;
  return f;
}

// Returns sum over experts of f s' of one token, s' its normalised scores; adds factor times its gradient to dlogits,
// if that is not null.
double one_token(const std::vector<double>& f, const float* logits, bool sigmoid, double factor, float* dlogits) {
  std::vector<double> scores;
  moe_scores(logits, sigmoid, static_cast<int64_t>(f.size()), scores);
  double sum = 0;
  double weighted = 0;
  for (size_t e = 0; e < f.size(); ++e) {
    sum += scores[e];
    weighted += f[e] * scores[e];
  }
  const double mean = weighted / sum;
  if (dlogits == nullptr) return mean;
  double softmax_mean = 0;  // sum of dscore s
  std::vector<double> dscores(f.size());
  for (size_t e = 0; e < f.size(); ++e) {
    dscores[e] = factor * (f[e] - mean) / sum;
    softmax_mean += dscores[e] * scores[e];
  }
  for (size_t e = 0; e < f.size(); ++e) {
    const double s = scores[e];
    dlogits[e] += static_cast<float>(sigmoid ? dscores[e] * s * (1 - s) : s * (dscores[e] - softmax_mean));
  }
  return mean;
}

}  // namespace

void sequence_balance_loss(const Context& ctx, const Tensor& logits_TE, const Routing& routing,
                           const RouteParams& params, const TokenBatch& batch) {
  if (ctx.balance == nullptr) return;
  const double alpha = ctx.balance->alpha;
  const auto sequences = static_cast<double>(batch.spans.size());
  const bool is_tracked = alpha != 0 && ctx.tape != nullptr && ctx.tape->tracks(logits_TE);
  const Tensor dlogits = is_tracked ? ctx.tape->gradient(ctx, logits_TE) : Tensor();
  for (const Span& span : batch.spans) {
    if (span.length() == 0) continue;
    const std::vector<double> f = frequencies(span, routing.ids_TK, logits_TE.dim(1));
    const auto length = static_cast<double>(span.length());
    double sum = 0;
    for (int64_t t = span.begin; t < span.end; ++t) {
      sum += one_token(f, logits_TE.row(t), params.sigmoid, alpha / (length * sequences),
                       is_tracked ? dlogits.row(t) : nullptr);
    }
    ctx.balance->loss += sum / length / sequences;
  }
}

}  // namespace fathom::ops
