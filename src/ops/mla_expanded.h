#pragma once
// Latent attention over whole sequences in its expanded form, as products (gemm.h): what the forward pass with a tape
// and the backward pass have in common. With S = scale Q K^T and P = softmax(S), O = P V, head by head; queries and
// keys are [part without | part with position], and the part with position of a key is the same for all heads.

#include "ops/gemm.h"
#include "ops/mla_attention.h"

namespace fathom::ops {

struct MlaInputs {
  const MlaParams& params;
  Tensor q_TD;  // rotated
  Tensor latent_TR;
  Tensor kv_a_TC;
  Tensor index_topk;        // undefined: every position up to the token's own
  const TokenBatch& batch;  // every sequence from its first position on
};

// Calls row(t, cos, sin) for every token of whole sequences, on the team.
template <typename Row>
void for_positions_of(const Context& ctx, const TokenBatch& batch, const MlaParams& params, const Row& row) {
  const int64_t rope = params.qk_rope_head_dim;
  const Tensor angles = ctx.empty({ctx.team.size(), rope});
  ctx.team.run([&](int member) {
    const Share share = share_of(batch.size(), 1, member, ctx.team.size());
    float* cos = angles.row(member);
    float* sin = cos + rope / 2;
    for (int64_t t = share.begin; t < share.end; ++t) {
      params.rope.angles(t - batch.span_of(t).begin, cos, sin);
      row(t, cos, sin);
    }
  });
}

class MlaExpanded {
 public:
  // Queries that are worked on at a time: scores stay in cache.
  static constexpr int64_t kQueryBlock = 64;

  // Makes keys and values of all heads from the latents.
  MlaExpanded(const Context& ctx, MlaInputs inputs);

  // Calls work(span, head) for all heads of all sequences, on the team.
  template <typename Work>
  void for_heads(const Work& work) const {
    const auto spans = static_cast<int64_t>(s_.batch.spans.size());
    ctx_.team.for_each(p_.heads * spans, [&](int64_t i, int) {
      const Span& span = s_.batch.spans[static_cast<size_t>(i % spans)];
      if (span.length() > 0) work(span, i / spans);
    });
  }

  // Calls row(t, cos, sin) for every token, on the team.
  template <typename Row>
  void for_positions(const Row& row) const {
    for_positions_of(ctx_, s_.batch, p_, row);
  }

  int64_t tokens() const { return s_.q_TD.dim(0); }
  int64_t qk_dim() const { return p_.qk_nope_head_dim + p_.qk_rope_head_dim; }
  int64_t kv_dim() const { return p_.qk_nope_head_dim + p_.v_head_dim; }

  Tensor keys(const Span& span, int64_t head) const;  // [length, N + P]
  Rows values(const Span& span, int64_t head) const;  // [length, V]
  Rows queries(const Span& span, int64_t head, int64_t begin, int64_t end) const;

  // P of queries [begin, end) of the span over the positions [0, end). `keys_turned` is K^T, packed.
  Tensor probabilities(const Span& span, int64_t head, int64_t begin, int64_t end,
                       const RightFactor& keys_turned) const;

 private:
  void softmax(const Span& span, int64_t begin, const Tensor& scores) const;
  void hide_unseen(const Span& span, int64_t position, float* scores, int64_t width) const;

  const Context& ctx_;
  MlaInputs s_;
  const MlaParams& p_;
  Tensor kv_;            // [T, heads (N + V)]
  Tensor rotated_keys_;  // [T, P]
};

// O [T, heads V].
Tensor mla_expanded_forward(const Context& ctx, const MlaInputs& inputs);

}  // namespace fathom::ops
