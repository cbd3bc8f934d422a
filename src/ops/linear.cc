#include "ops/linear.h"

#include <algorithm>
#include <cstring>

#include "ops/fp8.h"
#include "ops/gemm.h"

namespace fathom::ops {
namespace {

// Below this many multiply-adds a fork and join costs more than it saves.
constexpr int64_t kMinParallelWork = 1 << 16;
// Output features in a work item: a multiple of every kernel's tile.
constexpr int64_t kFeatureGrain = 32;

void run_linear(const Context& ctx, const kernels::MatmulKernels& matmul, const void* packed, const Weight& w,
                const Tensor& y) {
  const int64_t m = y.dim(0);
  const int64_t n = w.rows();
  const auto item = [&](int64_t begin, int64_t end) {
    matmul.linear(
        {.packed_x = packed, .m = m, .w = w.view, .n_begin = begin, .n_end = end, .y = y.f32() + begin, .y_stride = n});
  };
  if (m * n * w.cols() < kMinParallelWork) return item(0, n);
  // A few items per member even out a core that is slowed down by a neighbour.
  const int64_t wanted = int64_t{4} * ctx.team.size();
  const int64_t grain = std::max(kFeatureGrain, round_up(ceil_div(n, wanted), kFeatureGrain));
  ctx.team.for_each(ceil_div(n, grain), [&](int64_t i, int) { item(i * grain, std::min(n, (i + 1) * grain)); });
}

std::shared_ptr<std::byte> pack(const Context& ctx, const kernels::MatmulKernels& matmul, const Tensor& x) {
  const int64_t m = x.dim(0);
  const int64_t k = x.dim(1);
  auto packed = ctx.allocator.allocate(matmul.packed_bytes(m, k));
  const auto item = [&](int64_t begin, int64_t end) {
    matmul.pack(
        {.x = x.f32() + begin, .x_stride = k, .m = m, .k = k, .k_begin = begin, .k_end = end, .packed = packed.get()});
  };
  if (m * k < kMinParallelWork) {
    item(0, k);
    return packed;
  }
  ctx.team.run([&](int member) {
    const Share share = share_of(k, kernels::kPackK, member, ctx.team.size());
    if (share.begin < share.end) item(share.begin, share.end);
  });
  return packed;
}

// Dgrad and Wgrad of y = x w^T.
void record_linear(const Context& ctx, Compute compute, const Tensor& x, const Weight& w, const Tensor& y) {
  ctx.tape->record(y, [saved = ctx.tape->save(x), w, compute](const Context& outer, Tape& tape, const Tensor& dy) {
    Context inner = outer;
    inner.compute = compute;
    if (tape.tracks(saved)) {
      gemm_dgrad(inner, rows_of(dy), w, tape.gradient(inner, saved).f32(), w.cols(), true, Workers::kTeam);
    }
    if (!tape.tracks(w)) return;
    const Tensor x_again = saved.values(inner);
    const WeightGradient of_w = weight_gradient(inner, tape, w, rows_of(dy));
    gemm_wgrad(inner, rows_of(x_again), {&of_w, 1}, Workers::kTeam);
  });
}

// y = x w^T. `is_recorded`: as training computes it.
Tensor product_of(const Context& ctx, Compute compute, const Tensor& x, const Weight& w, bool is_recorded) {
  FATHOM_CHECK_MSG(x.dim(1) == w.cols(), "linear of {} by [{}, {}]", shape_text(x.shape()), w.rows(), w.cols());
  Tensor y = ctx.empty({x.dim(0), w.rows()});
  if (is_recorded && has_gemm_fprop(w)) {
    Context inner = ctx;
    inner.compute = compute;
    gemm_fprop(inner, rows_of(x), w, y.f32(), Workers::kTeam);
    return y;
  }
  const auto& matmul = ctx.kernels.matmul[static_cast<int>(compute)];
  const auto packed = pack(ctx, matmul, runs_in_fp8(ctx, w) ? fp8_rounded(ctx, rows_of(x)) : x);
  run_linear(ctx, matmul, packed.get(), w, y);
  return y;
}

Tensor linear_with(const Context& ctx, Compute compute, const Tensor& x, const Weight& w) {
  const bool is_recorded = ctx.tape != nullptr && (ctx.tape->tracks(x) || ctx.tape->tracks(w));
  Tensor y = product_of(ctx, compute, x, w, is_recorded);
  if (is_recorded) record_linear(ctx, compute, x, w, y);
  return y;
}

}  // namespace

std::shared_ptr<std::byte> pack_rows(const Context& ctx, const Tensor& x_TK) { return pack(ctx, ctx.matmul(), x_TK); }

Tensor linear(const Context& ctx, const Tensor& x_TK, const Weight& w_NK) {
  return linear_with(ctx, ctx.compute, x_TK, w_NK);
}

Tensor up_projection(const Context& ctx, const Tensor& latent_TQ, const Weight& w_NQ) {
  Tensor y = linear(ctx, latent_TQ, w_NQ);
  if (ctx.tape == nullptr || !ctx.recomputes || !ctx.tape->tracks(y)) return y;
  ctx.tape->give_up(y, [latent = ctx.tape->save(latent_TQ), w_NQ](const Context& inner) {
    return product_of(inner, inner.compute, latent.values(inner), w_NQ, true);
  });
  return y;
}

Tensor linear_f32(const Context& ctx, const Tensor& x_TK, const Weight& w_NK) {
  return linear_with(ctx, Compute::kF32, x_TK, w_NK);
}

Tensor embedding(const Context& ctx, std::span<const int32_t> tokens_T, const Weight& w_VD) {
  const int64_t width = w_VD.cols();
  Tensor y = ctx.empty({static_cast<int64_t>(tokens_T.size()), width});
  for (size_t t = 0; t < tokens_T.size(); ++t) {
    const int64_t token = tokens_T[t];
    FATHOM_CHECK_MSG(token >= 0 && token < w_VD.rows(), "token {} of a vocabulary of {}", token, w_VD.rows());
    const auto* row = static_cast<const std::byte*>(w_VD.view.row(token));
    float* to = y.row(static_cast<int64_t>(t));
    for (int64_t c = 0; c < width; c += kScaleBlock) {
      ctx.rowwise().widen(row + static_cast<size_t>(c) * dtype_bytes(w_VD.view.dtype), w_VD.view.dtype,
                          w_VD.view.scale(token, c / kScaleBlock), std::min(kScaleBlock, width - c), to + c);
    }
  }
  if (ctx.tape != nullptr && ctx.tape->tracks(w_VD)) {
    const std::vector<int32_t> tokens(tokens_T.begin(), tokens_T.end());
    ctx.tape->record(y, [tokens, w_VD](const Context& inner, Tape& tape, const Tensor& dy) {
      const Tensor dw = tape.gradient(w_VD);
      for (size_t t = 0; t < tokens.size(); ++t) {
        float* to = dw.f32() + tokens[t] * w_VD.cols();
        inner.rowwise().add_scaled(dy.row(static_cast<int64_t>(t)), 1.0F, w_VD.cols(), to);
      }
    });
  }
  return y;
}

Tensor gather_rows(const Context& ctx, const Tensor& x_TD, std::span<const int32_t> rows) {
  Tensor y = ctx.empty({static_cast<int64_t>(rows.size()), x_TD.dim(1)});
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(y.row(static_cast<int64_t>(i)), x_TD.row(rows[i]), static_cast<size_t>(x_TD.dim(1)) * sizeof(float));
  }
  if (ctx.tape != nullptr && ctx.tape->tracks(x_TD)) {
    const std::vector<int32_t> chosen(rows.begin(), rows.end());
    ctx.tape->record(y, [x = ctx.tape->name(x_TD), chosen](const Context& inner, Tape& tape, const Tensor& dy) {
      const Tensor dx = tape.gradient(inner, x);
      for (size_t i = 0; i < chosen.size(); ++i) {
        inner.rowwise().add_scaled(dy.row(static_cast<int64_t>(i)), 1.0F, dx.dim(1), dx.row(chosen[i]));
      }
    });
  }
  return y;
}

Tensor concat(const Context& ctx, const Tensor& a_TN, const Tensor& b_TM) {
  const int64_t n = a_TN.dim(1);
  const int64_t m = b_TM.dim(1);
  Tensor y = ctx.empty({a_TN.dim(0), n + m});
  for (int64_t t = 0; t < y.dim(0); ++t) {
    std::memcpy(y.row(t), a_TN.row(t), static_cast<size_t>(n) * sizeof(float));
    std::memcpy(y.row(t) + n, b_TM.row(t), static_cast<size_t>(m) * sizeof(float));
  }
  if (ctx.tape != nullptr && (ctx.tape->tracks(a_TN) || ctx.tape->tracks(b_TM))) {
    const Saved a = ctx.tape->name(a_TN);
    const Saved b = ctx.tape->name(b_TM);
    ctx.tape->record(y, [a, b](const Context& inner, Tape& tape, const Tensor& dy) {
      const auto part = [&](const Saved& x, int64_t first) {
        if (!tape.tracks(x)) return;
        const Tensor dx = tape.gradient(inner, x);
        for (int64_t t = 0; t < dx.dim(0); ++t) {
          inner.rowwise().add_scaled(dy.row(t) + first, 1.0F, dx.dim(1), dx.row(t));
        }
      };
      part(a, 0);
      part(b, a.shape()[1]);
    });
  }
  return y;
}

}  // namespace fathom::ops
