#include "ops/norm.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace fathom::ops {
namespace {

// Columns of a member's share: a line of memory.
constexpr int64_t kColumnGrain = 16;

// Calls row(t) for every row, on the team when there are enough.
template <typename Row>
void for_rows(const Context& ctx, int64_t rows, int64_t width, const Row& row) {
  const int64_t grain = row_grain(width);
  if (rows <= grain) {
    for (int64_t t = 0; t < rows; ++t) row(t);
    return;
  }
  ctx.team.run([&](int member) {
    const Share share = share_of(rows, grain, member, ctx.team.size());
    for (int64_t t = share.begin; t < share.end; ++t) row(t);
  });
}

// With r = 1 / sqrt(mean(x^2) + eps): dx += r (w dy) - x r^3 / n sum(x w dy), dw += sum over rows of dy x r.
void rms_norm_backward(const Context& ctx, Tape& tape, const Saved& saved, const Tensor& weight, double eps,
                       const Tensor& dy) {
  const Tensor x = saved.values(ctx);
  const int64_t width = weight.count();
  const int64_t rows = x.dim(0);
  const float* w = weight.f32();
  const Tensor scales = ctx.empty({rows, 1});
  const Tensor dx = tape.tracks(saved) ? tape.gradient(ctx, saved) : Tensor();
  for_rows(ctx, rows, width, [&](int64_t t) {
    const float* from = x.row(t);
    const float* d = dy.row(t);
    const double mean = static_cast<double>(ctx.rowwise().dot(from, from, width)) / static_cast<double>(width);
    const auto r = static_cast<float>(1 / std::sqrt(mean + eps));
    *scales.row(t) = r;
    if (!dx.defined()) return;
    ctx.rowwise().rms_norm_backward(from, w, d, r, width, dx.row(t));
  });
  if (!tape.tracks(weight)) return;
  // By columns, so that the order of rows is the same however many threads there are.
  const Tensor dw = tape.gradient(ctx, weight);
  ctx.team.run([&](int member) {
    const Share share = share_of(width, kColumnGrain, member, ctx.team.size());
    for (int64_t t = 0; t < rows; ++t) {
      ctx.rowwise().add_product(dy.row(t) + share.begin, x.row(t) + share.begin, *scales.row(t),
                                share.end - share.begin, dw.f32() + share.begin);
    }
  });
}

}  // namespace

Tensor rms_norm(const Context& ctx, const Tensor& x_TD, const Tensor& weight_D, double eps) {
  const int64_t width = weight_D.count();
  FATHOM_CHECK(width <= x_TD.dim(1));
  Tensor y = ctx.empty({x_TD.dim(0), width});
  for_rows(ctx, x_TD.dim(0), width, [&](int64_t t) {
    ctx.rowwise().rms_norm(x_TD.row(t), weight_D.f32(), static_cast<float>(eps), width, y.row(t));
  });
  if (ctx.tape != nullptr && (ctx.tape->tracks(x_TD) || ctx.tape->tracks(weight_D))) {
    const Saved x = ctx.tape->save(x_TD);
    ctx.tape->record(y, [x, weight_D, eps](const Context& inner, Tape& tape, const Tensor& dy) {
      rms_norm_backward(inner, tape, x, weight_D, eps, dy);
    });
    if (ctx.recomputes) {
      ctx.tape->give_up(
          y, [x, weight_D, eps](const Context& inner) { return rms_norm(inner, x.values(inner), weight_D, eps); });
    }
  }
  return y;
}

Tensor layer_norm(const Context& ctx, const Tensor& x_TD, const Tensor& weight_D, const Tensor& bias_D, double eps) {
  const int64_t width = weight_D.count();
  FATHOM_CHECK(width == x_TD.dim(1) && bias_D.count() == width);
  Tensor y = ctx.empty({x_TD.dim(0), width});
  for_rows(ctx, x_TD.dim(0), width, [&](int64_t t) {
    ctx.rowwise().layer_norm(x_TD.row(t), weight_D.f32(), bias_D.f32(), static_cast<float>(eps), width, y.row(t));
  });
  return y;
}

Tensor add(const Context& ctx, const Tensor& x_TD, const Tensor& y_TD) {
  FATHOM_CHECK(x_TD.shape() == y_TD.shape());
  const int64_t width = x_TD.dim(1);
  Tensor sum = ctx.empty(x_TD.shape());
  for_rows(ctx, x_TD.dim(0), width, [&](int64_t t) {
    std::copy_n(x_TD.row(t), width, sum.row(t));
    ctx.rowwise().add_scaled(y_TD.row(t), 1.0F, width, sum.row(t));
  });
  if (ctx.tape != nullptr && (ctx.tape->tracks(x_TD) || ctx.tape->tracks(y_TD))) {
    ctx.tape->record(sum, [terms = std::array{ctx.tape->name(x_TD), ctx.tape->name(y_TD)}](
                              const Context& inner, Tape& tape, const Tensor& d) {
      for (const Saved& term : terms) {
        if (!tape.tracks(term)) continue;
        const Tensor to = tape.gradient(inner, term);
        for_rows(inner, d.dim(0), d.dim(1),
                 [&](int64_t t) { inner.rowwise().add_scaled(d.row(t), 1.0F, d.dim(1), to.row(t)); });
      }
    });
  }
  return sum;
}

}  // namespace fathom::ops
