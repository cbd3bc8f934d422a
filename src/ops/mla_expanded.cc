#include "ops/mla_expanded.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "ops/linear.h"

namespace fathom::ops {

MlaExpanded::MlaExpanded(const Context& ctx, MlaInputs inputs) : ctx_(ctx), s_(std::move(inputs)), p_(s_.params) {
  const int64_t rope = p_.qk_rope_head_dim;
  if (has_gemm_fprop(p_.kv_b_proj)) {
    kv_ = ctx.empty({tokens(), p_.kv_b_proj.rows()});
    gemm_fprop(ctx, rows_of(s_.latent_TR), p_.kv_b_proj, kv_.f32(), Workers::kTeam);
  } else {
    Context plain = ctx;
    plain.tape = nullptr;
    kv_ = linear(plain, s_.latent_TR, p_.kv_b_proj);
  }
  rotated_keys_ = ctx.empty({tokens(), rope});
  for_positions([&](int64_t t, const float* cos, const float* sin) {
    std::copy_n(s_.kv_a_TC.row(t) + p_.kv_lora_rank, rope, rotated_keys_.row(t));
    ctx_.rowwise().rope_interleaved(rotated_keys_.row(t), cos, sin, rope);
  });
}

Tensor MlaExpanded::keys(const Span& span, int64_t head) const {
  Tensor out = ctx_.empty({span.length(), qk_dim()});
  for (int64_t s = 0; s < span.length(); ++s) {
    std::copy_n(kv_.row(span.begin + s) + head * kv_dim(), p_.qk_nope_head_dim, out.row(s));
    std::copy_n(rotated_keys_.row(span.begin + s), p_.qk_rope_head_dim, out.row(s) + p_.qk_nope_head_dim);
  }
  return out;
}

Rows MlaExpanded::values(const Span& span, int64_t head) const {
  return {kv_.row(span.begin) + head * kv_dim() + p_.qk_nope_head_dim, span.length(), p_.v_head_dim, kv_.dim(1)};
}

Rows MlaExpanded::queries(const Span& span, int64_t head, int64_t begin, int64_t end) const {
  return {s_.q_TD.row(span.begin + begin) + head * qk_dim(), end - begin, qk_dim(), s_.q_TD.dim(1)};
}

Tensor MlaExpanded::probabilities(const Span& span, int64_t head, int64_t begin, int64_t end,
                                  const RightFactor& keys_turned) const {
  Tensor scores = ctx_.empty({end - begin, end});
  gemm(ctx_, queries(span, head, begin, end), Turned::kNo, keys_turned, end, scores.f32(), end, false,
       Workers::kCaller);
  softmax(span, begin, scores);
  return scores;
}

// Positions that a token does not see get zero.
void MlaExpanded::softmax(const Span& span, int64_t begin, const Tensor& scores) const {
  const kernels::RowwiseKernels& kernels = ctx_.rowwise();
  const int64_t width = scores.dim(1);
  for (int64_t i = 0; i < scores.dim(0); ++i) {
    float* row = scores.row(i);
    hide_unseen(span, begin + i, row, width);
    kernels.widen(row, DType::kF32, static_cast<float>(p_.softmax_scale), width, row);
    const float sum = kernels.exp_sum(row, kernels.largest(row, width), width);
    kernels.widen(row, DType::kF32, 1.0F / sum, width, row);
  }
}

void MlaExpanded::hide_unseen(const Span& span, int64_t position, float* scores, int64_t width) const {
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  if (!s_.index_topk.defined()) {
    std::fill(scores + position + 1, scores + width, kHidden);
    return;
  }
  const int64_t count = s_.index_topk.dim(1);
  const int32_t* chosen = s_.index_topk.i32() + (span.begin + position) * count;
  std::vector<bool> seen(static_cast<size_t>(width));
  for (int64_t i = 0; i < count && chosen[i] >= 0; ++i) seen[static_cast<size_t>(chosen[i])] = true;
  for (int64_t j = 0; j < width; ++j) scores[j] = seen[static_cast<size_t>(j)] ? scores[j] : kHidden;
}

Tensor mla_expanded_forward(const Context& ctx, const MlaInputs& inputs) {
  const MlaExpanded attention(ctx, inputs);
  const int64_t v = inputs.params.v_head_dim;
  Tensor o_TD = ctx.empty({attention.tokens(), inputs.params.heads * v});
  attention.for_heads([&](const Span& span, int64_t head) {
    const Tensor keys = attention.keys(span, head);
    const RightFactor keys_turned = right_factor(ctx, rows_of(keys), Turned::kYes, Workers::kCaller);
    const RightFactor values = right_factor(ctx, attention.values(span, head), Turned::kNo, Workers::kCaller);
    for (int64_t begin = 0; begin < span.length(); begin += MlaExpanded::kQueryBlock) {
      const int64_t end = std::min(span.length(), begin + MlaExpanded::kQueryBlock);
      const Tensor p = attention.probabilities(span, head, begin, end, keys_turned);
      gemm(ctx, rows_of(p), Turned::kNo, values, v, o_TD.row(span.begin + begin) + head * v, o_TD.dim(1), false,
           Workers::kCaller);
    }
  });
  return o_TD;
}

}  // namespace fathom::ops
