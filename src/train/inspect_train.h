#pragma once
// The numbers of a few training steps under the names of the golden vectors.

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "train/optimizer.h"
#include "train/step.h"

namespace fathom::train {

struct InspectTrainSettings {
  int64_t steps = 3;
  double learning_rate = 1e-3;
  OptimizerParams optimizer;
  double grad_clip = 1.0;  // gradients times min(1, grad_clip / (norm + 1e-6))
  double bias_update_speed = 1e-3;

  // Of {"settings": {"steps", "lr", "betas", "eps", "weight_decay", "grad_clip", "bias_update_speed"}}, or of the inner
  // object alone; what is missing keeps its default. Throws Error.
  static InspectTrainSettings read(const json::Reader& json);
};

// batches: for each step token ids [sequences][length]; inputs are all but the last, targets all but the first. Returns
//   loss, grad_norm [steps] (before clipping); sequence_balance_loss_without_alpha [1] of step 0;
//   stepK.layers.N.expert_load; grad.NAME of step 0; after.NAME after the last step.
// Throws Error for token ids out of range or rows of fewer than two tokens.
std::vector<std::pair<std::string, Tensor>> inspect_train(model::Transformer& model, const ops::Context& ctx,
                                                          const std::vector<std::vector<std::vector<int32_t>>>& batches,
                                                          const InspectTrainSettings& settings);

}  // namespace fathom::train
