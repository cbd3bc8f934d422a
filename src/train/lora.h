#pragma once
// Low-rank adaptation (Hu et al. 2021): matrices move only by W = W0 + alpha / rank B A, of which A and B are trained.
//
// The model's graph does not know of it. Its weights are W itself, so that adapters reach every matrix, routed experts
// included, and what is saved is a checkpoint as any other; the gradients of A and B follow from W's:
// dA = alpha / rank B^T dW, dB = alpha / rank dW A^T.

#include <cstdint>
#include <string>
#include <vector>

#include "train/parameters.h"

namespace fathom::train {

struct LoraParams {
  int64_t rank = 0;  // 0: all weights are trained
  double alpha = 16;
  std::vector<std::string> targets = {"*_proj.weight", "*_proj_with_mqa.weight"};  // patterns of the shell's kind
};

class Lora {
 public:
  // A is random, B zero, so that W begins as W0. Throws Error(kInvalidArgument) when no matrix fits a pattern.
  Lora(const ParameterSet& base, const LoraParams& params, uint64_t seed);

  // `NAME.lora_A.weight` [rank, in] and `NAME.lora_B.weight` [out, rank], after the matrix NAME.weight.
  const std::vector<Parameter>& parameters() const { return adapters_; }
  const LoraParams& params() const { return params_; }

  // Gradients of A and B from those of the base's matrices.
  void gather_gradients(const ops::Context& ctx) const;
  // W = W0 + alpha / rank B A.
  void apply(const ops::Context& ctx) const;

 private:
  struct Adapted {
    Tensor value;     // of the base
    Tensor gradient;  // of the base
    Tensor origin;    // W0
  };

  LoraParams params_;
  std::vector<Adapted> adapted_;
  std::vector<Parameter> adapters_;  // A and B in turn
};

}  // namespace fathom::train
