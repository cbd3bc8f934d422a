// Shapes: T tokens, D hidden_size, E n_routed_experts, K num_experts_per_tok.

#include "model/feed_forward.h"

#include "ops/balance_loss.h"
#include "ops/linear.h"

namespace fathom::model {

Mlp::Mlp(int64_t hidden, int64_t intermediate) : hidden_size(hidden), intermediate_size(intermediate) {}

void Mlp::visit(const std::string& prefix, ParameterVisitor& visitor) {
  visitor.matrix(prefix + "gate_proj.weight", gate_proj, intermediate_size, hidden_size);
  visitor.matrix(prefix + "up_proj.weight", up_proj, intermediate_size, hidden_size);
  visitor.matrix(prefix + "down_proj.weight", down_proj, hidden_size, intermediate_size);
}

Tensor Mlp::forward(const ops::Context& ctx, const Tensor& x_TD) const { return swiglu(ctx, x_TD, weights()); }

Moe::Moe(const ModelConfig& config)
    : hidden_size(config.hidden_size),
      has_correction_bias(config.topk_method == TopkMethod::kNoauxTc),
      route({.experts_per_token = config.num_experts_per_tok,
             .groups = config.n_group,
             .groups_per_token = config.topk_group,
             .sigmoid = config.scoring_func == ScoringFunc::kSigmoid,
             .group_limited = config.topk_method != TopkMethod::kGreedy,
             .group_score_experts = config.topk_method == TopkMethod::kNoauxTc ? 2 : 1,
             .normalise = config.norm_topk_prob,
             .scale = config.routed_scaling_factor}) {
  for (int64_t e = 0; e < config.n_routed_experts; ++e) {
    experts.emplace_back(config.hidden_size, config.moe_intermediate_size);
  }
  if (config.n_shared_experts > 0) {
    shared_experts.emplace(config.hidden_size, config.n_shared_experts * config.moe_intermediate_size);
  }
}

void Moe::visit(const std::string& prefix, ParameterVisitor& visitor) {
  const auto n = static_cast<int64_t>(experts.size());
  visitor.matrix(prefix + "gate.weight", gate, n, hidden_size);
  if (has_correction_bias) visitor.vector(prefix + "gate.e_score_correction_bias", e_score_correction_bias, n);
  for (int64_t e = 0; e < n; ++e) {
    experts[static_cast<size_t>(e)].visit(prefix + "experts." + std::to_string(e) + ".", visitor);
  }
  if (shared_experts) shared_experts->visit(prefix + "shared_experts.", visitor);
}

Tensor Moe::forward(const ops::Context& ctx, const Tensor& x_TD, const ops::TokenBatch& batch, int64_t layer) const {
  const Tensor logits_TE = linear_f32(ctx, x_TD, gate);
  const ops::Routing routing = moe_route(ctx, logits_TE, e_score_correction_bias, route);
  sequence_balance_loss(ctx, logits_TE, routing, route, batch);
  observe(ctx, "topk_ids", layer, routing.ids_TK);
  observe(ctx, "topk_weights", layer, routing.weights_TK);

  std::vector<ops::SwigluWeights> routed;
  routed.reserve(experts.size());
  for (const Mlp& expert : experts) routed.push_back(expert.weights());
  const auto shared = shared_experts ? std::optional(shared_experts->weights()) : std::nullopt;
  return swiglu_experts(ctx, x_TD, routing, routed, shared ? &*shared : nullptr);
}

}  // namespace fathom::model
