// Gradients of y = sum of c down(silu(gate x) * up x), c the routing weight of a row or 1. What silu is fed with was
// kept, its product is made again (V3 report, section 3.2.3).

#include <algorithm>
#include <cmath>

#include "ops/fp8.h"
#include "ops/gemm.h"
#include "ops/swiglu_groups.h"

namespace fathom::ops {
namespace {

class SwigluBackward {
 public:
  SwigluBackward(const Context& ctx, Tape& tape, const Saved& x, const std::vector<SwigluGroup>& groups,
                 const SwigluSum& sum, const Tensor& dy)
      : ctx_(ctx), tape_(tape), saved_(x), x_(x.values(ctx)), groups_(groups), sum_(sum), dy_(dy) {
    int64_t rows = 0;
    for (const SwigluGroup& group : groups) rows += group.m();
    factors_ = std::vector<float>(static_cast<size_t>(rows), 1.0F);
    factor_gradients_ = std::vector<float>(static_cast<size_t>(rows), 0.0F);
    for (size_t slot = 0; slot < sum.slots.size(); ++slot) {
      factors_[static_cast<size_t>(sum.slots[slot])] = sum.weights_TK.f32()[slot];
    }
    dx_rows_ = ctx.empty({rows, x_.dim(1)});
  }

  void run() {
    for_groups(ctx_, groups_, [&](const SwigluGroup& group, Workers workers) { backward(group, workers); });
    add_up();
  }

 private:
  void backward(const SwigluGroup& group, Workers workers) {
    const int64_t m = group.m();
    const int64_t width = group.intermediate();
    const Rows dy = {dy_.f32(), m, dy_.dim(1), dy_.dim(1), group.rows.data()};
    const Rows x = {x_.f32(), m, x_.dim(1), x_.dim(1), group.rows.data()};
    const Tensor dh = ctx_.empty({m, width});
    gemm_dgrad(ctx_, dy, group.weights.down_proj, dh.f32(), width, false, workers);

    // The V3 report keeps the inputs of SwiGLU in FP8 (section 3.3.3).
    const bool is_fp8 = runs_in_fp8(ctx_, group.weights.gate_proj);
    const Tensor gate = is_fp8 ? fp8_rounded(ctx_, rows_of(group.gate)) : group.gate;
    const Tensor up = is_fp8 ? fp8_rounded(ctx_, rows_of(group.up)) : group.up;
    const Tensor h = ctx_.empty({m, width});
    const Tensor dgate = ctx_.empty({m, width});
    const Tensor dup = ctx_.empty({m, width});
    for (int64_t i = 0; i < m; ++i) {
      const auto row = static_cast<size_t>(group.first_output + i);
      ctx_.rowwise().silu_mul(gate.row(i), up.row(i), width, h.row(i));
      factor_gradients_[row] = ctx_.rowwise().dot(h.row(i), dh.row(i), width);
      ctx_.rowwise().silu_mul_backward(gate.row(i), up.row(i), dh.row(i), factors_[row], width, h.row(i), dgate.row(i),
                                       dup.row(i));
    }
    if (tape_.tracks(group.weights.down_proj)) {
      const WeightGradient of_down = weight_gradient(ctx_, tape_, group.weights.down_proj, dy);
      gemm_wgrad(ctx_, rows_of(h), {&of_down, 1}, workers);
    }
    if (tape_.tracks(group.weights.gate_proj)) {
      const WeightGradient of_x[] = {weight_gradient(ctx_, tape_, group.weights.gate_proj, rows_of(dgate)),
                                     weight_gradient(ctx_, tape_, group.weights.up_proj, rows_of(dup))};
      gemm_wgrad(ctx_, x, of_x, workers);
    }
    float* dx = dx_rows_.row(group.first_output);
    gemm_dgrad(ctx_, rows_of(dgate), group.weights.gate_proj, dx, x_.dim(1), false, workers);
    gemm_dgrad(ctx_, rows_of(dup), group.weights.up_proj, dx, x_.dim(1), true, workers);
  }

  // dx in the order of the forward pass's sum, whoever computed the parts.
  void add_up() {
    if (sum_.weights_TK.defined() && tape_.tracks(sum_.weights_TK)) {
      const Tensor to = tape_.gradient(ctx_, sum_.weights_TK);
      for (size_t slot = 0; slot < sum_.slots.size(); ++slot) {
        to.f32()[slot] += factor_gradients_[static_cast<size_t>(sum_.slots[slot])];
      }
    }
    if (!tape_.tracks(saved_)) return;
    const Tensor dx = tape_.gradient(ctx_, saved_);
    const int64_t tokens = x_.dim(0);
    const int64_t chosen = static_cast<int64_t>(sum_.slots.size()) / tokens;
    ctx_.team.run([&](int member) {
      const Share share = share_of(tokens, 1, member, ctx_.team.size());
      for (int64_t t = share.begin; t < share.end; ++t) {
        const auto add = [&](int64_t row) { ctx_.rowwise().add_scaled(dx_rows_.row(row), 1.0F, dx.dim(1), dx.row(t)); };
        for (int64_t k = 0; k < chosen; ++k) add(sum_.slots[static_cast<size_t>(t * chosen + k)]);
        if (sum_.shared_first >= 0) add(sum_.shared_first + t);
      }
    });
  }

  const Context& ctx_;
  Tape& tape_;
  const Saved& saved_;
  const Tensor x_;
  const std::vector<SwigluGroup>& groups_;
  const SwigluSum& sum_;
  const Tensor& dy_;
  std::vector<float> factors_;  // by row of the table of outputs
  std::vector<float> factor_gradients_;
  Tensor dx_rows_;
};

}  // namespace

void swiglu_backward(const Context& ctx, Tape& tape, const Saved& x_TD, const std::vector<SwigluGroup>& groups,
                     const SwigluSum& sum, const Tensor& dy_TD) {
  SwigluBackward(ctx, tape, x_TD, groups, sum, dy_TD).run();
}

}  // namespace fathom::ops
