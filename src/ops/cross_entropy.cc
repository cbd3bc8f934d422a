#include "ops/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "ops/gemm.h"

namespace fathom::ops {
namespace {

// Tokens whose logits exist at a time.
constexpr int64_t kChunkTokens = 512;

// Values whose exponentials are added in F32.
constexpr int64_t kRun = 1024;

// Turns a row of logits into the gradient of factor (nll + z_weight z); adds to `loss`.
void one_row(const kernels::RowwiseKernels& kernels, float* logits, int64_t vocabulary, int32_t target,
             const CrossEntropyParams& params, CrossEntropyLoss& loss) {
  if (target == kNoTarget) {
    std::fill_n(logits, vocabulary, 0.0F);
    return;
  }
  const float most = kernels.largest(logits, vocabulary);
  const float of_target = logits[target];
  const bool is_hit = of_target == most && std::find(logits, logits + target, most) == logits + target;
  double sum = 0;
  for (int64_t v = 0; v < vocabulary; v += kRun) {
    sum += static_cast<double>(kernels.exp_sum(logits + v, most, std::min(kRun, vocabulary - v)));
  }
  const double log_sum = std::log(sum) + most;
  loss.nll += log_sum - of_target;
  loss.z += log_sum * log_sum;
  loss.tokens += 1;
  loss.hits += is_hit ? 1 : 0;
  const auto scale = static_cast<float>(params.factor * (1 + 2 * params.z_weight * log_sum) / sum);
  kernels.widen(logits, DType::kF32, scale, vocabulary, logits);
  logits[target] -= static_cast<float>(params.factor);
}

}  // namespace

CrossEntropyLoss cross_entropy(const Context& ctx, const Tensor& x_TD, const Weight& head_VD,
                               std::span<const int32_t> targets_T, const CrossEntropyParams& params) {
  const int64_t tokens = x_TD.dim(0);
  const int64_t width = x_TD.dim(1);
  const int64_t vocabulary = head_VD.rows();
  FATHOM_CHECK(static_cast<int64_t>(targets_T.size()) == tokens);
  const bool wants_x = ctx.tape != nullptr && ctx.tape->tracks(x_TD);
  const bool wants_head = ctx.tape != nullptr && ctx.tape->tracks(head_VD);
  const RightFactor to_logits = right_factor(ctx, head_VD, Turned::kYes, Workers::kTeam);
  const std::optional<RightFactor> to_x =
      wants_x ? std::optional(right_factor(ctx, head_VD, Turned::kNo, Workers::kTeam)) : std::nullopt;
  const Tensor logits = ctx.empty({std::min(tokens, kChunkTokens), vocabulary});
  std::vector<CrossEntropyLoss> losses(static_cast<size_t>(tokens));
  for (int64_t begin = 0; begin < tokens; begin += kChunkTokens) {
    const int64_t count = std::min(kChunkTokens, tokens - begin);
    const Rows x = {x_TD.row(begin), count, width, width};
    const Rows chunk = {logits.f32(), count, vocabulary, vocabulary};
    gemm(ctx, x, Turned::kNo, to_logits, vocabulary, logits.f32(), vocabulary, false, Workers::kTeam);
    ctx.team.for_each(count, [&](int64_t t, int) {
      const auto token = static_cast<size_t>(begin + t);
      FATHOM_CHECK(targets_T[token] >= kNoTarget && targets_T[token] < vocabulary);
      one_row(ctx.rowwise(), logits.row(t), vocabulary, targets_T[token], params, losses[token]);
    });
    if (wants_x) {
      float* dx = ctx.tape->gradient(ctx, x_TD).row(begin);
      gemm(ctx, chunk, Turned::kNo, *to_x, width, dx, width, true, Workers::kTeam);
    }
    if (wants_head) {
      const WeightGradient of_head = {chunk, ctx.tape->gradient(head_VD).f32()};
      gemm_wgrad(ctx, x, {&of_head, 1}, Workers::kTeam);
    }
  }
  CrossEntropyLoss total;
  for (const CrossEntropyLoss& loss : losses) {
    total.nll += loss.nll;
    total.z += loss.z;
    total.tokens += loss.tokens;
    total.hits += loss.hits;
  }
  return total;
}

}  // namespace fathom::ops
