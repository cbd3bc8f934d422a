#pragma once
// Forward and backward pass of a batch of sequences through the same model that inference runs.

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "ops/cross_entropy.h"
#include "train/parameters.h"

namespace fathom::train {

// A document, or the part of one that fits: from its own position 0, it sees nothing of its neighbours.
struct Sequence {
  std::vector<int32_t> inputs;
  std::vector<int32_t> targets;  // of each input the token behind it; ops::kNoTarget: not learned
};

struct StepParams {
  double balance_alpha = 0;  // of the sequence-wise balance loss
  double mtp_weight = 0;     // lambda, V3 report, equation 25; 0: the modules rest
  double z_weight = 0;
};

struct StepResult {
  ops::CrossEntropyLoss main;
  std::vector<ops::CrossEntropyLoss> mtp;               // by depth
  double balance = 0;                                   // sum over layers, without alpha
  std::map<int64_t, std::vector<int64_t>> expert_load;  // by layer: tokens that each expert took
};

// Learned tokens in `sequences`.
int64_t target_count(std::span<const Sequence> sequences);

// Adds the gradients of the step's loss to `parameters`:
//   nll / learned_tokens + mtp_weight / depth sum over modules of nll / learned_tokens + balance_alpha balance.
// `learned_tokens` counts those of the whole step, of which `sequences` may be a part (gradient accumulation); balance
// is the mean over these sequences times `share`, their part of the step's.
StepResult accumulate_gradients(const model::Transformer& model, const ops::Context& ctx,
                                const ParameterSet& parameters, std::span<const Sequence> sequences,
                                const StepParams& params, int64_t learned_tokens, double share);

// The next-token loss of the sequences, without gradients.
ops::CrossEntropyLoss forward_loss(const model::Transformer& model, const ops::Context& ctx,
                                   std::span<const Sequence> sequences);

// Auxiliary-loss-free balancing (V3 report, section 2.1.2): the bias of an expert that took less than the mean grows by
// `speed`, that of one that took more shrinks.
void update_correction_bias(ParameterSet& parameters, const std::map<int64_t, std::vector<int64_t>>& expert_load,
                            double speed);

}  // namespace fathom::train
