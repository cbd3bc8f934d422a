#include "ops/norm.h"

#include <algorithm>

namespace fathom::ops {
namespace {

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

}  // namespace

Tensor rms_norm(const Context& ctx, const Tensor& x_TD, const Tensor& weight_D, double eps) {
  const int64_t width = weight_D.count();
  FATHOM_CHECK(width <= x_TD.dim(1));
  Tensor y = ctx.empty({x_TD.dim(0), width});
  for_rows(ctx, x_TD.dim(0), width, [&](int64_t t) {
    ctx.rowwise().rms_norm(x_TD.row(t), weight_D.f32(), static_cast<float>(eps), width, y.row(t));
  });
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
  return sum;
}

}  // namespace fathom::ops
