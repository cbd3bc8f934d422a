// For one head (mla_expanded.h):
//   dV = P^T dO,  dP = dO V^T,  dS = P * (dP - rowsum(dO * O)),  dQ = scale dS K,  dK = scale dS^T Q.

#include "ops/mla_attention_backward.h"

#include <algorithm>

#include "ops/mla_expanded.h"

namespace fathom::ops {
namespace {

// Right sides that all queries of a head share.
struct HeadFactors {
  RightFactor keys;
  RightFactor keys_turned;
  RightFactor values_turned;
};

class MlaBackward {
 public:
  MlaBackward(const Context& ctx, Tape& tape, const MlaSaved& saved, const Tensor& d_out)
      : ctx_(ctx), tape_(tape), s_(saved), p_(saved.params), d_out_(d_out), attention_(ctx, inputs(ctx, saved)) {}

  void run() {
    const int64_t tokens = attention_.tokens();
    dkv_ = ctx_.empty({tokens, p_.heads * kv_dim()});
    dq_ = ctx_.empty(s_.q_TD.shape());
    dkeys_ = ctx_.empty({p_.heads, tokens * rope()});
    attention_.for_heads([&](const Span& span, int64_t h) { head(span, h); });
    add_query();
    add_keys();
    if (tape_.tracks(p_.kv_b_proj)) {
      const WeightGradient of_kv_b = weight_gradient(ctx_, tape_, p_.kv_b_proj, rows_of(dkv_));
      const Tensor latent = s_.latent_TR.values(ctx_);
      gemm_wgrad(ctx_, rows_of(latent), {&of_kv_b, 1}, Workers::kTeam);
    }
    if (tape_.tracks(s_.latent_TR)) {
      gemm_dgrad(ctx_, rows_of(dkv_), p_.kv_b_proj, tape_.gradient(ctx_, s_.latent_TR).f32(), p_.kv_lora_rank, true,
                 Workers::kTeam);
    }
  }

 private:
  static MlaInputs inputs(const Context& ctx, const MlaSaved& saved) {
    const Tensor q_TD = saved.q_TD.values(ctx);
    if (saved.q_TD.is_given_up()) rotate(ctx, saved, q_TD);
    return {saved.params, q_TD, saved.latent_TR.values(ctx), saved.kv_a_TC.values(ctx), saved.index_topk, saved.batch};
  }

  static void rotate(const Context& ctx, const MlaSaved& saved, const Tensor& q_TD) {
    const MlaParams& p = saved.params;
    for_positions_of(ctx, saved.batch, p, [&](int64_t t, const float* cos, const float* sin) {
      for (int64_t h = 0; h < p.heads; ++h) {
        float* head = q_TD.row(t) + h * (p.qk_nope_head_dim + p.qk_rope_head_dim);
        ctx.rowwise().rope_interleaved(head + p.qk_nope_head_dim, cos, sin, p.qk_rope_head_dim);
      }
    });
  }

  int64_t nope() const { return p_.qk_nope_head_dim; }
  int64_t rope() const { return p_.qk_rope_head_dim; }
  int64_t qk_dim() const { return attention_.qk_dim(); }
  int64_t kv_dim() const { return attention_.kv_dim(); }

  // The transposed rotation: the other way round, the same magnitude.
  void rotate_back(float* values, const float* cos, float* sin) const {
    for (int64_t i = 0; i < rope() / 2; ++i) sin[i] = -sin[i];
    ctx_.rowwise().rope_interleaved(values, cos, sin, rope());
    for (int64_t i = 0; i < rope() / 2; ++i) sin[i] = -sin[i];
  }

  void head(const Span& span, int64_t h) {
    const int64_t n = span.length();
    const Tensor keys = attention_.keys(span, h);
    const HeadFactors factors = {.keys = right(rows_of(keys), Turned::kNo),
                                 .keys_turned = right(rows_of(keys), Turned::kYes),
                                 .values_turned = right(attention_.values(span, h), Turned::kYes)};
    const Tensor dk = zeros({n, qk_dim()});
    const Tensor dv = zeros({n, p_.v_head_dim});
    for (int64_t begin = 0; begin < n; begin += MlaExpanded::kQueryBlock) {
      block(span, h, begin, std::min(n, begin + MlaExpanded::kQueryBlock), factors, dk, dv);
    }
    for (int64_t s = 0; s < n; ++s) {
      float* to = dkv_.row(span.begin + s) + h * kv_dim();
      std::copy_n(dk.row(s), nope(), to);
      std::copy_n(dv.row(s), p_.v_head_dim, to + nope());
      std::copy_n(dk.row(s) + nope(), rope(), dkeys_.row(h) + (span.begin + s) * rope());
    }
  }

  // Queries [begin, end) of the span.
  void block(const Span& span, int64_t h, int64_t begin, int64_t end, const HeadFactors& head, const Tensor& dk,
             const Tensor& dv) {
    const int64_t rows = end - begin;
    const int64_t first = span.begin + begin;
    const Rows d_out = {d_out_.row(first) + h * p_.v_head_dim, rows, p_.v_head_dim, d_out_.dim(1)};
    const Tensor p = attention_.probabilities(span, h, begin, end, head.keys_turned);
    const Tensor dp = ctx_.empty({rows, end});
    gemm(ctx_, d_out, Turned::kNo, head.values_turned, end, dp.f32(), end, false, Workers::kCaller);
    add_turned(p, d_out, dv);

    // dp becomes ds.
    const auto scale = static_cast<float>(p_.softmax_scale);
    for (int64_t i = 0; i < rows; ++i) {
      const float* o = s_.o_TD.row(first + i) + h * p_.v_head_dim;
      const float mean = ctx_.rowwise().dot(o, d_out.row(i), p_.v_head_dim);
      ctx_.rowwise().softmax_backward(p.row(i), mean, scale, end, dp.row(i));
    }
    gemm(ctx_, rows_of(dp), Turned::kNo, head.keys, qk_dim(), dq_.row(first) + h * qk_dim(), dq_.dim(1), false,
         Workers::kCaller);
    add_turned(dp, attention_.queries(span, h, begin, end), dk);
  }

  RightFactor right(const Rows& x, Turned turned) const { return right_factor(ctx_, x, turned, Workers::kCaller); }

  // to += p^T x.
  void add_turned(const Tensor& p, const Rows& x, const Tensor& to) const {
    gemm(ctx_, rows_of(p), Turned::kYes, right(x, Turned::kNo), x.cols, to.f32(), x.cols, true, Workers::kCaller);
  }

  Tensor zeros(Shape shape) const {
    Tensor out = ctx_.empty(std::move(shape));
    std::fill_n(out.f32(), out.count(), 0.0F);
    return out;
  }

  void add_query() {
    if (!tape_.tracks(s_.q_TD)) return;
    const Tensor to = tape_.gradient(ctx_, s_.q_TD);
    attention_.for_positions([&](int64_t t, const float* cos, float* sin) {
      for (int64_t h = 0; h < p_.heads; ++h) rotate_back(dq_.row(t) + h * qk_dim() + nope(), cos, sin);
      ctx_.rowwise().add_scaled(dq_.row(t), 1.0F, dq_.dim(1), to.row(t));
    });
  }

  void add_keys() {
    if (!tape_.tracks(s_.kv_a_TC)) return;
    const Tensor to = tape_.gradient(ctx_, s_.kv_a_TC);
    attention_.for_positions([&](int64_t t, const float* cos, float* sin) {
      float* sum = dkeys_.row(0) + t * rope();
      for (int64_t h = 1; h < p_.heads; ++h) ctx_.rowwise().add_scaled(dkeys_.row(h) + t * rope(), 1.0F, rope(), sum);
      rotate_back(sum, cos, sin);
      ctx_.rowwise().add_scaled(sum, 1.0F, rope(), to.row(t) + p_.kv_lora_rank);
    });
  }

  const Context& ctx_;
  Tape& tape_;
  const MlaSaved& s_;
  const MlaParams& p_;
  const Tensor& d_out_;
  MlaExpanded attention_;
  Tensor dkv_;    // [T, heads (N + V)]
  Tensor dkeys_;  // [heads, T P]
  Tensor dq_;     // [T, heads (N + P)]
};

}  // namespace

void mla_attention_backward(const Context& ctx, Tape& tape, const MlaSaved& saved, const Tensor& do_TD) {
  MlaBackward(ctx, tape, saved, do_TD).run();
}

}  // namespace fathom::ops
