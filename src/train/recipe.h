#pragma once
// What a training run is: a TOML file. Keys that are not known are errors that name the nearest one.

#include <cstdint>
#include <string>
#include <vector>

#include "train/lora.h"
#include "train/optimizer.h"
#include "train/step.h"

namespace fathom::train {

struct RecipeSource {
  std::string path;
  double weight = 1;
};

// [[stage]]: what changes from a step on. Keys that are not given stay as they were.
struct RecipeStage {
  int64_t from = 0;             // from: step
  int64_t batch_tokens = 0;     // batch_tokens; 0: as before
  int64_t context = 0;          // context; 0: as before
  double yarn_factor = 0;       // yarn_factor: stretches the rotary angles (YaRN), so that the context so many times as
                                // long as max_position_embeddings of the model can be learned; 0: as before
  std::vector<double> weights;  // weights: of the data sources, in their order; empty: as before
  double mtp_weight =
      -1;  // mtp_weight: V3 went from 0.3 to 0.1; 0: the modules rest, their weights stay; not given: as before
};

struct Recipe {
  std::string path;  // of the recipe itself; other paths in it are relative to its folder

  std::string model;              // model: a config.json, or the folder of a checkpoint to go on from
  std::string tokenizer;          // tokenizer: folder of tokenizer.json, copied into every checkpoint; may be empty
  std::string out;                // out: where checkpoints and metrics go
  uint64_t seed = 1;              // seed: of the first weights and of the order of the data
  double init_deviation = 0.006;  // init_deviation: of the first weights (V3 report, section 4.2)

  std::vector<RecipeSource> data;    // [[data]] path, weight: token shards
  std::vector<std::string> heldout;  // heldout: token shards for evaluation

  int64_t steps = 1000;              // steps
  int64_t batch_tokens = 4096;       // batch_tokens: inputs of a step
  int64_t micro_batch_tokens = 0;    // micro_batch_tokens: of one pass; 0: the whole batch at once
  int64_t context = 256;             // context: longest sequence
  std::string compute = "bf16";      // compute: bf16, f32, or fp8: E4M3 as in the V3 report, emulated in F32
  bool recompute = true;             // recompute: RMSNorm and up-projections are computed again in the backward pass
  double grad_clip = 1;              // grad_clip: largest norm of the gradient
  double bias_update_speed = 0.001;  // bias_update_speed: gamma of the balancing without an auxiliary loss
  StepParams losses = {
      .balance_alpha = 0.0001, .mtp_weight = 0.3, .z_weight = 0};  // balance_alpha, mtp_weight, z_weight
  // on_bad_step: what happens when loss or gradient are not finite, "skip" (the weights stay, up to ten in a row) or
  // "stop"
  bool stops_when_skipping = false;
  double spike_factor = 6;         // spike_factor: standard deviations above the mean that make a spike; 0: not watched
  bool skips_spikes = false;       // on_spike: "report" or "skip": the weights stay, as often as it happens
  int64_t evaluate_every = 100;    // evaluate_every: steps; 0: never
  int64_t checkpoint_every = 200;  // checkpoint_every: steps; the last one is always kept
  int64_t keep = 2;                // keep: how many checkpoints

  int64_t ramp_steps = 0;           // ramp_steps: over which the batch grows from ramp_tokens to batch_tokens
  int64_t ramp_tokens = 0;          // ramp_tokens
  std::vector<RecipeStage> stages;  // [[stage]], in the order of `from`

  double learning_rate = 1e-3;  // [optimizer] learning_rate: the peak
  // [optimizer] name: adamw or muon; beta1, beta2, eps, weight_decay, momentum, moments: f32 or bf16;
  // [[optimizer.group]] match, weight_decay, rate
  OptimizerParams optimizer;
  LoraParams lora;              // [lora] rank, alpha, targets
  std::string schedule = "v3";  // [schedule] name
  int64_t warmup = 50;          // [schedule] warmup: steps

  // Throws Error naming file, line and key.
  static Recipe read(const std::string& path);
};

}  // namespace fathom::train
