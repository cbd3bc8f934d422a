#pragma once

#include <vector>

#include "ops/context.h"

namespace fathom::ops {

struct RouteParams {
  int64_t experts_per_token = 0;  // num_experts_per_tok
  int64_t groups = 1;             // n_group
  int64_t groups_per_token = 1;   // topk_group
  bool sigmoid = false;           // scoring_func: sigmoid, else softmax
  bool group_limited = false;     // topk_method: group_limited_greedy or noaux_tc
  int group_score_experts = 1;    // a group's score is the sum of so many best: 1 in V2, 2 in V3
  bool normalise = false;         // norm_topk_prob
  double scale = 1;               // routed_scaling_factor
};

struct Routing {
  Tensor ids_TK;      // I32, experts of each token, best first
  Tensor weights_TK;  // F32, what each expert's output is multiplied by
};

// The routed experts of each token from the gate's logits (V3 report, equations 12 to 16; V2 report, section 2.2).
// Selection uses score + bias, weights use the score alone; groups left out count as minus infinity; ties go to the
// lower id. `bias_E` is e_score_correction_bias; undefined: no bias.
Routing moe_route(const Context& ctx, const Tensor& logits_TE, const Tensor& bias_E, const RouteParams& params);

// Affinity scores of one token: sigmoid of each logit, or softmax of all.
template <typename Real>
void moe_scores(const float* logits, bool sigmoid, int64_t experts, std::vector<Real>& scores);

}  // namespace fathom::ops
