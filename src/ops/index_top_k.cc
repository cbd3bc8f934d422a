#include "ops/index_top_k.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

namespace fathom::ops {
namespace {

using kernels::kPageTokens;

class Indexer {
 public:
  Indexer(const Context& ctx, const IndexParams& params, const TokenBatch& batch, LatentCache& cache, int64_t layer)
      : ctx_(ctx), p_(params), batch_(batch), cache_(cache), layer_(layer) {
    for (const Span& span : batch.spans) longest_ = std::max(longest_, span.total());
  }

  Tensor run(const Tensor& q_TI, const Tensor& k_TI, const Tensor& weights_TH) {
    const int64_t width = std::min(p_.top_k, longest_);
    Tensor chosen = ctx_.empty({q_TI.dim(0), width}, DType::kI32);
    for (const Span& span : batch_.spans) rotate_and_append(span, q_TI, k_TI);
    if (longest_ <= p_.top_k && ctx_.probe == nullptr) {
      for_tokens([&](int64_t t, int64_t positions, const Span&, int) { choose_all(positions, width, chosen, t); });
      return chosen;
    }
    // With a probe the scores are shown whole, zero beyond a token's own position.
    const Tensor shown = ctx_.probe == nullptr ? Tensor() : ctx_.empty({q_TI.dim(0), longest_});
    const Tensor scratch = ctx_.empty({ctx_.team.size(), longest_});
    for_tokens([&](int64_t t, int64_t positions, const Span& span, int member) {
      float* scores = shown.defined() ? shown.row(t) : scratch.row(member);
      score(span, q_TI.row(t), weights_TH.row(t), positions, scores);
      std::fill(scores + positions, scores + longest_, 0.0F);
      choose(scores, positions, width, chosen, t);
    });
    if (shown.defined()) observe(ctx_, "index_scores", layer_, shown);
    return chosen;
  }

 private:
  // Calls work(token, positions it sees, its span, member) for every token.
  template <typename Work>
  void for_tokens(const Work& work) {
    ctx_.team.for_each(batch_.size(), [&](int64_t t, int member) {
      const Span& span = batch_.span_of(t);
      work(t, span.past + t - span.begin + 1, span, member);
    });
  }

  void rotate_and_append(const Span& span, const Tensor& q_TI, const Tensor& k_TI) {
    const int64_t rotated = p_.rope.dim();
    std::vector<float> cos(static_cast<size_t>(rotated / 2));
    std::vector<float> sin(cos.size());
    for (int64_t t = span.begin; t < span.end; ++t) {
      const int64_t position = span.past + t - span.begin;
      p_.rope.angles(position, cos.data(), sin.data());
      for (int64_t h = 0; h < p_.heads; ++h) {
        ctx_.rowwise().rope_halves(q_TI.row(t) + h * p_.dim, cos.data(), sin.data(), rotated);
      }
      ctx_.rowwise().rope_halves(k_TI.row(t), cos.data(), sin.data(), rotated);
      float* keys = cache_.index_keys(layer_, span.pages[static_cast<size_t>(position / kPageTokens)]);
      std::memcpy(keys + position % kPageTokens * p_.dim, k_TI.row(t), static_cast<size_t>(p_.dim) * sizeof(float));
    }
  }

  void score(const Span& span, const float* q, const float* weights, int64_t positions, float* scores) const {
    const auto& matmul = ctx_.kernels.matmul[static_cast<int>(Compute::kF32)];
    const auto packed = ctx_.allocator.allocate(matmul.packed_bytes(p_.heads, p_.dim));
    matmul.pack({.x = q,
                 .x_stride = p_.dim,
                 .m = p_.heads,
                 .k = p_.dim,
                 .k_begin = 0,
                 .k_end = p_.dim,
                 .packed = packed.get()});
    const Tensor products = ctx_.empty({p_.heads, kPageTokens});
    const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(p_.heads * p_.dim)));
    for (int64_t first = 0; first < positions; first += kPageTokens) {
      const int64_t count = std::min(kPageTokens, positions - first);
      const MatrixView keys{.data = cache_.index_keys(layer_, span.pages[static_cast<size_t>(first / kPageTokens)]),
                            .dtype = DType::kF32,
                            .rows = count,
                            .cols = p_.dim};
      matmul.linear({.packed_x = packed.get(),
                     .m = p_.heads,
                     .w = keys,
                     .n_begin = 0,
                     .n_end = count,
                     .y = products.f32(),
                     .y_stride = kPageTokens});
      for (int64_t s = 0; s < count; ++s) {
        float sum = 0;
        for (int64_t h = 0; h < p_.heads; ++h) {
          sum += weights[h] * scale * std::max(0.0F, products.f32()[h * kPageTokens + s]);
        }
        scores[first + s] = sum;
      }
    }
  }

  static void choose_all(int64_t positions, int64_t width, const Tensor& chosen, int64_t t) {
    int32_t* to = chosen.i32() + t * width;
    std::iota(to, to + positions, 0);
    std::fill(to + positions, to + width, -1);
  }

  static void choose(const float* scores, int64_t positions, int64_t width, const Tensor& chosen, int64_t t) {
    if (positions <= width) return choose_all(positions, width, chosen, t);
    std::vector<int32_t> order(static_cast<size_t>(positions));
    std::iota(order.begin(), order.end(), 0);
    // NaN (a broken model) ranks last: without an order for it nth_element may leave its range.
    const auto rank = [&](int32_t s) {
      return std::isnan(scores[s]) ? -std::numeric_limits<float>::infinity() : scores[s];
    };
    std::nth_element(order.begin(), order.begin() + width, order.end(),
                     [&](int32_t a, int32_t b) { return rank(a) != rank(b) ? rank(a) > rank(b) : a < b; });
    std::sort(order.begin(), order.begin() + width);
    std::copy_n(order.begin(), width, chosen.i32() + t * width);
  }

  const Context& ctx_;
  const IndexParams& p_;
  const TokenBatch& batch_;
  LatentCache& cache_;
  int64_t layer_;
  int64_t longest_ = 0;
};

}  // namespace

Tensor index_top_k(const Context& ctx, const IndexParams& params, const Tensor& q_TI, const Tensor& k_TI,
                   const Tensor& weights_TH, const TokenBatch& batch, LatentCache& cache, int64_t layer) {
  FATHOM_CHECK(q_TI.dim(1) == params.heads * params.dim && k_TI.dim(1) == params.dim);
  FATHOM_CHECK(params.rope.dim() <= params.dim);
  return Indexer(ctx, params, batch, cache, layer).run(q_TI, k_TI, weights_TH);
}

}  // namespace fathom::ops
