#include "ops/mla_attention.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "ops/attend.h"
#include "ops/linear.h"
#include "ops/mla_attention_backward.h"
#include "ops/mla_expanded.h"

namespace fathom::ops {
namespace {

using kernels::kPageTokens;

// Tokens that one work item of the per-head products takes.
constexpr int64_t kTokenGrain = 64;

size_t cached_bytes(Compute compute) { return compute == Compute::kF32 ? sizeof(float) : sizeof(bf16_t); }

// Writes n values to the place `index` of cache-typed memory.
void store(const Context& ctx, const float* values, int64_t n, void* memory, int64_t index) {
  auto* to = static_cast<std::byte*>(memory) + static_cast<size_t>(index) * cached_bytes(ctx.compute);
  if (ctx.compute == Compute::kF32) {
    std::memcpy(to, values, static_cast<size_t>(n) * sizeof(float));
  } else {
    ctx.rowwise().to_bf16(values, n, reinterpret_cast<bf16_t*>(to));
  }
}

// Reads them back, widened.
void load(const Context& ctx, const void* memory, int64_t index, int64_t n, float* values) {
  const auto* from = static_cast<const std::byte*>(memory) + static_cast<size_t>(index) * cached_bytes(ctx.compute);
  ctx.rowwise().widen(from, ctx.compute == Compute::kF32 ? DType::kF32 : DType::kBF16, 1.0F, n, values);
}

class MlaAttention {
 public:
  MlaAttention(const Context& ctx, const MlaParams& params, const Tensor& q, const TokenBatch& batch,
               LatentCache& cache, int64_t layer)
      : ctx_(ctx), p_(params), q_(q), batch_(batch), cache_(cache), layer_(layer) {
    FATHOM_CHECK_MSG(q.dim(1) == p_.heads * qk_dim(), "query of {} columns for {} heads of {}", q.dim(1), p_.heads,
                     qk_dim());
    FATHOM_CHECK(cache.compute() == ctx.compute && cache.shape().latent_dim == latent_dim());
  }

  // Attention over the cached positions.
  Tensor attended(const Tensor& index_topk) {
    return ctx_.mla_form == MlaForm::kAbsorbed || index_topk.defined() ? absorbed(index_topk) : expanded();
  }

  // Rotates the queries in place and stores every token's latent and rotated key at its position of the cache.
  void rotate_and_append(const Tensor& latent_TR, const Tensor& kv_a_TC) {
    const auto token = [&](int64_t t, float* cos, float* sin, float* key) {
      const Span& span = batch_.span_of(t);
      const int64_t position = span.past + t - span.begin;
      p_.rope.angles(position, cos, sin);
      for (int64_t h = 0; h < p_.heads; ++h) {
        ctx_.rowwise().rope_interleaved(q_.row(t) + h * qk_dim() + p_.qk_nope_head_dim, cos, sin, p_.qk_rope_head_dim);
      }
      std::copy_n(kv_a_TC.row(t) + p_.kv_lora_rank, p_.qk_rope_head_dim, key);
      ctx_.rowwise().rope_interleaved(key, cos, sin, p_.qk_rope_head_dim);
      void* page = cache_.latents(layer_, span.pages[static_cast<size_t>(position / kPageTokens)]);
      const int64_t index = position % kPageTokens * latent_dim();
      store(ctx_, latent_TR.row(t), p_.kv_lora_rank, page, index);
      store(ctx_, key, p_.qk_rope_head_dim, page, index + p_.kv_lora_rank);
    };
    const int64_t pairs = p_.qk_rope_head_dim / 2;
    const Tensor scratch = ctx_.empty({ctx_.team.size(), 4 * pairs});
    const auto share_of_member = [&](int member, int members) {
      float* cos = scratch.row(member);
      const Share share = share_of(tokens(), 1, member, members);
      for (int64_t t = share.begin; t < share.end; ++t) token(t, cos, cos + pairs, cos + 2 * pairs);
    };
    if (tokens() < 2 * ctx_.team.size()) return share_of_member(0, 1);
    ctx_.team.run([&](int member) { share_of_member(member, ctx_.team.size()); });
  }

 private:
  int64_t tokens() const { return q_.dim(0); }
  int64_t qk_dim() const { return p_.qk_nope_head_dim + p_.qk_rope_head_dim; }
  int64_t latent_dim() const { return p_.kv_lora_rank + p_.qk_rope_head_dim; }
  // First row of a head's W_UK and W_UV in kv_b_proj.
  int64_t w_uk(int64_t head) const { return head * (p_.qk_nope_head_dim + p_.v_head_dim); }
  int64_t w_uv(int64_t head) const { return w_uk(head) + p_.qk_nope_head_dim; }

  // Calls work(head, first token, token count) for all heads and stretches of tokens.
  template <typename Work>
  void for_heads(const Work& work) {
    const int64_t stretches = ceil_div(tokens(), kTokenGrain);
    ctx_.team.for_each(p_.heads * stretches, [&](int64_t i, int member) {
      const int64_t begin = i % stretches * kTokenGrain;
      work(i / stretches, begin, std::min(kTokenGrain, tokens() - begin), member);
    });
  }

  Tensor absorbed(const Tensor& index_topk) {
    const Tensor q_abs = absorb_query();
    const Tensor latents = ctx_.empty({tokens(), p_.heads * p_.kv_lora_rank});
    if (index_topk.defined()) {
      attend_chosen(q_abs, index_topk, latents);
    } else {
      attend_all(q_abs, latents);
    }
    return project_values(latents);
  }

  // q_abs[t, h] = softmax_scale [W_UK[h]^T q_nope[t, h] | q_rope[t, h]].
  Tensor absorb_query() {
    Tensor q_abs = ctx_.empty({tokens(), p_.heads * latent_dim()});
    const auto scale = static_cast<float>(p_.softmax_scale);
    for_heads([&](int64_t h, int64_t begin, int64_t count, int) {
      ctx_.matmul().transposed_linear({.x = q_.row(begin) + h * qk_dim(),
                                       .x_stride = q_.dim(1),
                                       .m = count,
                                       .w = p_.kv_b_proj.view,
                                       .row_begin = w_uk(h),
                                       .row_end = w_uv(h),
                                       .y = q_abs.row(begin) + h * latent_dim(),
                                       .y_stride = q_abs.dim(1)});
      for (int64_t t = begin; t < begin + count; ++t) {
        float* to = q_abs.row(t) + h * latent_dim();
        std::copy_n(q_.row(t) + h * qk_dim() + p_.qk_nope_head_dim, p_.qk_rope_head_dim, to + p_.kv_lora_rank);
        for (int64_t i = 0; i < latent_dim(); ++i) to[i] *= scale;
      }
    });
    return q_abs;
  }

  // Rows of a job are (token, head) pairs, token by token.
  void attend_all(const Tensor& q_abs, const Tensor& latents) {
    std::vector<std::vector<const void*>> pages;
    std::vector<int64_t> limits(static_cast<size_t>(tokens() * p_.heads));
    std::vector<AttendJob> jobs;
    for (const Span& span : batch_.spans) {
      if (span.length() == 0) continue;
      pages.push_back(page_pointers(span));
      for (int64_t t = span.begin; t < span.end; ++t) {
        std::fill_n(limits.begin() + t * p_.heads, p_.heads, span.past + t - span.begin + 1);
      }
      jobs.push_back(latent_job(q_abs, latents, span.begin, span.length(), pages.back().data(), limits));
    }
    attend(ctx_, jobs);
  }

  AttendJob latent_job(const Tensor& q_abs, const Tensor& latents, int64_t first_token, int64_t count,
                       const void* const* pages, const std::vector<int64_t>& limits) {
    return {.q = q_abs.row(first_token),
            .q_stride = latent_dim(),
            .rows = count * p_.heads,
            .value_dim = p_.kv_lora_rank,
            .key_dim = latent_dim(),
            .pages = pages,
            .limits = limits.data() + first_token * p_.heads,
            .out = latents.row(first_token),
            .out_stride = p_.kv_lora_rank};
  }

  std::vector<const void*> page_pointers(const Span& span) const {
    std::vector<const void*> out;
    for (int64_t i = 0; i < ceil_div(span.total(), kPageTokens); ++i) {
      out.push_back(cache_.latents(layer_, span.pages[static_cast<size_t>(i)]));
    }
    return out;
  }

  // DSA: each token has keys of its own. They are copied side by side in ascending order, so that a token that may see
  // all of its positions gets the same bits as in attend_all.
  void attend_chosen(const Tensor& q_abs, const Tensor& index_topk, const Tensor& latents) {
    const int64_t slots = round_up(index_topk.dim(1), kPageTokens);
    const size_t row_bytes = static_cast<size_t>(latent_dim()) * cached_bytes(ctx_.compute);
    for (int64_t t = 0; t < tokens(); ++t) {
      const auto gathered = ctx_.allocator.allocate(static_cast<size_t>(slots) * row_bytes);
      const Span& span = batch_.span_of(t);
      const int32_t* chosen = index_topk.i32() + t * index_topk.dim(1);
      int64_t count = 0;
      for (int64_t i = 0; i < index_topk.dim(1) && chosen[i] >= 0; ++i, ++count) {
        const auto* page = static_cast<const std::byte*>(
            cache_.latents(layer_, span.pages[static_cast<size_t>(chosen[i] / kPageTokens)]));
        std::memcpy(gathered.get() + static_cast<size_t>(count) * row_bytes,
                    page + static_cast<size_t>(chosen[i] % kPageTokens) * row_bytes, row_bytes);
      }
      std::vector<const void*> pages;
      for (int64_t i = 0; i < slots / kPageTokens; ++i) {
        pages.push_back(gathered.get() + static_cast<size_t>(i * kPageTokens) * row_bytes);
      }
      const std::vector<int64_t> limits(static_cast<size_t>(p_.heads), count);
      AttendJob job = latent_job(q_abs, latents, t, 1, pages.data(), limits);
      job.limits = limits.data();
      attend(ctx_, {&job, 1});
    }
  }

  // out[t, h] = W_UV[h] latents[t, h].
  Tensor project_values(const Tensor& latents) {
    Tensor out = ctx_.empty({tokens(), p_.heads * p_.v_head_dim});
    const size_t packed_bytes = ctx_.matmul().packed_bytes(std::min(tokens(), kTokenGrain), p_.kv_lora_rank);
    const size_t stride = static_cast<size_t>(round_up(static_cast<int64_t>(packed_bytes), 64));
    const auto packed = ctx_.allocator.allocate(stride * static_cast<size_t>(ctx_.team.size()));
    for_heads([&](int64_t h, int64_t begin, int64_t count, int member) {
      std::byte* mine = packed.get() + stride * static_cast<size_t>(member);
      ctx_.matmul().pack({.x = latents.row(begin) + h * p_.kv_lora_rank,
                          .x_stride = latents.dim(1),
                          .m = count,
                          .k = p_.kv_lora_rank,
                          .k_begin = 0,
                          .k_end = p_.kv_lora_rank,
                          .packed = mine});
      ctx_.matmul().linear({.packed_x = mine,
                            .m = count,
                            .w = p_.kv_b_proj.view,
                            .n_begin = w_uv(h),
                            .n_end = w_uk(h + 1),
                            .y = out.row(begin) + h * p_.v_head_dim,
                            .y_stride = out.dim(1)});
    });
    return out;
  }

  // Keys and values of every head are made from the cached latents, laid out as pages of [value | key without position
  // | key with position]; the query has zeros where the value stands, so that the same kernel serves both forms.
  Tensor expanded() {
    Tensor out = ctx_.empty({tokens(), p_.heads * p_.v_head_dim});
    for (const Span& span : batch_.spans) {
      if (span.length() > 0) expand_span(span, out);
    }
    return out;
  }

  void expand_span(const Span& span, const Tensor& out) {
    const int64_t key_dim = p_.v_head_dim + qk_dim();
    const int64_t pages = ceil_div(span.total(), kPageTokens);
    const size_t head_bytes = static_cast<size_t>(pages * kPageTokens * key_dim) * cached_bytes(ctx_.compute);
    const Tensor cached = read_cache(span);
    Tensor latent = ctx_.empty({span.total(), p_.kv_lora_rank});
    for (int64_t s = 0; s < span.total(); ++s) std::copy_n(cached.row(s), p_.kv_lora_rank, latent.row(s));
    const Tensor kv = linear(ctx_, latent, p_.kv_b_proj);

    const auto keys = ctx_.allocator.allocate(head_bytes * static_cast<size_t>(p_.heads));
    const Tensor q = ctx_.empty({p_.heads, span.length() * key_dim});
    std::vector<std::vector<const void*>> pointers(static_cast<size_t>(p_.heads));
    std::vector<int64_t> limits(static_cast<size_t>(span.length()));
    for (int64_t t = 0; t < span.length(); ++t) limits[static_cast<size_t>(t)] = span.past + t + 1;
    std::vector<AttendJob> jobs;
    for (int64_t h = 0; h < p_.heads; ++h) {
      std::byte* head = keys.get() + head_bytes * static_cast<size_t>(h);
      for (int64_t i = 0; i < pages; ++i) {
        pointers[static_cast<size_t>(h)].push_back(head +
                                                   head_bytes / static_cast<size_t>(pages) * static_cast<size_t>(i));
      }
      jobs.push_back({.q = q.row(h),
                      .q_stride = key_dim,
                      .rows = span.length(),
                      .value_dim = p_.v_head_dim,
                      .key_dim = key_dim,
                      .pages = pointers[static_cast<size_t>(h)].data(),
                      .limits = limits.data(),
                      .out = out.row(span.begin) + h * p_.v_head_dim,
                      .out_stride = out.dim(1)});
    }
    ctx_.team.for_each(p_.heads, [&](int64_t h, int) {
      expand_head(span, h, cached, kv, keys.get() + head_bytes * static_cast<size_t>(h), q.row(h));
    });
    attend(ctx_, jobs);
  }

  // The span's cached rows [total, R + P], widened.
  Tensor read_cache(const Span& span) {
    Tensor cached = ctx_.empty({span.total(), latent_dim()});
    for (int64_t s = 0; s < span.total(); ++s) {
      const void* page = cache_.latents(layer_, span.pages[static_cast<size_t>(s / kPageTokens)]);
      load(ctx_, page, s % kPageTokens * latent_dim(), latent_dim(), cached.row(s));
    }
    return cached;
  }

  void expand_head(const Span& span, int64_t h, const Tensor& cached, const Tensor& kv, std::byte* keys, float* q) {
    const int64_t nope = p_.qk_nope_head_dim;
    const int64_t rope = p_.qk_rope_head_dim;
    const int64_t v = p_.v_head_dim;
    const int64_t key_dim = v + nope + rope;
    for (int64_t s = 0; s < span.total(); ++s) {
      const float* head_kv = kv.row(s) + h * (nope + v);
      store(ctx_, head_kv + nope, v, keys, s * key_dim);
      store(ctx_, head_kv, nope, keys, s * key_dim + v);
      store(ctx_, cached.row(s) + p_.kv_lora_rank, rope, keys, s * key_dim + v + nope);
    }
    const auto scale = static_cast<float>(p_.softmax_scale);
    for (int64_t t = 0; t < span.length(); ++t) {
      float* to = q + t * key_dim;
      const float* from = q_.row(span.begin + t) + h * qk_dim();
      std::fill_n(to, v, 0.0F);
      for (int64_t i = 0; i < qk_dim(); ++i) to[v + i] = from[i] * scale;
    }
  }

  const Context& ctx_;
  const MlaParams& p_;
  const Tensor& q_;
  const TokenBatch& batch_;
  LatentCache& cache_;
  int64_t layer_;
};

}  // namespace

Tensor mla_attention(const Context& ctx, const MlaParams& params, const Tensor& q_TD, const Tensor& latent_TR,
                     const Tensor& kv_a_TC, const Tensor& index_topk, const TokenBatch& batch, LatentCache& cache,
                     int64_t layer) {
  MlaAttention attention(ctx, params, q_TD, batch, cache, layer);
  attention.rotate_and_append(latent_TR, kv_a_TC);
  const bool is_recorded = ctx.tape != nullptr && (ctx.tape->tracks(q_TD) || ctx.tape->tracks(latent_TR));
  if (!is_recorded) return attention.attended(index_topk);
  for (const Span& span : batch.spans) FATHOM_CHECK_MSG(span.past == 0, "gradient of a sequence's later part");
  Tensor o_TD = mla_expanded_forward(ctx, {params, q_TD, latent_TR, kv_a_TC, index_topk, batch});
  const MlaSaved saved = {
      params, ctx.tape->save(q_TD), ctx.tape->save(latent_TR), ctx.tape->save(kv_a_TC), index_topk, o_TD, batch};
  ctx.tape->record(o_TD, [saved](const Context& inner, Tape& tape, const Tensor& d_out) {
    mla_attention_backward(inner, tape, saved, d_out);
  });
  return o_TD;
}

}  // namespace fathom::ops
