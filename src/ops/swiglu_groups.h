#pragma once
// What the forward and the backward pass of feed-forward networks share: networks and the tokens that go through each.

#include <vector>

#include "ops/gemm.h"
#include "ops/swiglu.h"

namespace fathom::ops {

struct SwigluGroup {
  SwigluWeights weights;
  std::vector<int32_t> rows;  // rows of x, one for each row of the group
  int64_t first_output = 0;   // where its rows lie in the table of all groups' outputs
  Tensor gate = {}, up = {};  // [m, intermediate], gate x and up x; kept for the backward pass only

  int64_t m() const { return static_cast<int64_t>(rows.size()); }
  int64_t intermediate() const { return weights.gate_proj.rows(); }
};

// How the outputs of the groups are added up: y[t] = sum over k of weight[t, k] output[slots[t, k]], plus the output
// `shared_first` + t when there is one.
struct SwigluSum {
  std::vector<int64_t> slots = {};  // [T, K] rows of the table of outputs
  Tensor weights_TK = {};           // undefined: no routed experts
  int64_t shared_first = -1;        // < 0: nothing that all tokens share
};

// The groups as a large network that the whole team computes, or small ones, a member each.
template <typename Groups, typename Compute>
void for_groups(const Context& ctx, const Groups& groups, const Compute& compute) {
  int64_t total = 0;
  for (const SwigluGroup& group : groups) total += group.m() * group.intermediate();
  std::vector<const SwigluGroup*> small;
  for (const SwigluGroup& group : groups) {
    if (group.m() * group.intermediate() * 4 * ctx.team.size() >= total) {
      compute(group, Workers::kTeam);
    } else {
      small.push_back(&group);
    }
  }
  ctx.team.for_each(static_cast<int64_t>(small.size()),
                    [&](int64_t i, int) { compute(*small[static_cast<size_t>(i)], Workers::kCaller); });
}

// Adds the gradients of x, of the experts' matrices and of the routing weights to the tape.
void swiglu_backward(const Context& ctx, Tape& tape, const Saved& x_TD, const std::vector<SwigluGroup>& groups,
                     const SwigluSum& sum, const Tensor& dy_TD);

}  // namespace fathom::ops
