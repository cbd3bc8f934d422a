#pragma once
// The feed-forward half of a layer: a dense SwiGLU network, or DeepSeekMoE (V3 report, section 2.1.2): shared experts
// that every token uses and routed experts that a gate chooses.

#include <string>
#include <vector>

#include "model/config.h"
#include "model/parameters.h"
#include "ops/moe_route.h"
#include "ops/swiglu.h"
#include "ops/token_batch.h"

namespace fathom::model {

// down_proj(silu(gate_proj x) * up_proj x): a dense layer, one expert, or the shared experts side by side.
class Mlp {
 public:
  Mlp(int64_t hidden_size, int64_t intermediate_size);
  void visit(const std::string& prefix, ParameterVisitor& visitor);
  Tensor forward(const ops::Context& ctx, const Tensor& x_TD) const;
  ops::SwigluWeights weights() const { return {gate_proj, up_proj, down_proj}; }

 private:
  int64_t hidden_size, intermediate_size;
  Weight gate_proj, up_proj, down_proj;
};

class Moe {
 public:
  explicit Moe(const ModelConfig& config);
  void visit(const std::string& prefix, ParameterVisitor& visitor);
  // `layer` names the routing for the probe; `batch` says which tokens are balanced together.
  Tensor forward(const ops::Context& ctx, const Tensor& x_TD, const ops::TokenBatch& batch, int64_t layer) const;

 private:
  int64_t hidden_size;
  bool has_correction_bias;
  ops::RouteParams route;
  Weight gate;
  Tensor e_score_correction_bias;
  std::vector<Mlp> experts;
  std::optional<Mlp> shared_experts;
};

}  // namespace fathom::model
