#pragma once
// Checkpoints of a run: a folder that any reader of published checkpoints takes, and beside the weights everything that
// the run needs to go on as if it had never stopped.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "train/data_stream.h"
#include "train/lora.h"
#include "train/loss_watch.h"
#include "train/optimizer.h"

namespace fathom::train {

struct RunState {
  int64_t step = 0;  // steps that are done
  int64_t tokens = 0;
  std::vector<SourcePosition> data;
  LossWatch watch;
};

// Writes OUT/step-NNNNNNNN: config.json, model.safetensors (F32), optimizer.safetensors, state.json, the tokenizer's
// files, and adapters where they are what is trained (`lora`, else null). The folder appears under its name when all of
// it is on disk; a killed process or a full disk leaves the older ones as they were, and what a killed one left
// unfinished is removed first. Then removes all but the newest `keep`. Throws Error.
void write_snapshot(const std::string& out, const json::Value& config, const std::string& tokenizer,
                    const ParameterSet& parameters, const Lora* lora, const Optimizer& optimizer, const RunState& state,
                    int64_t keep);

// The newest snapshot's folder; nothing without one.
std::optional<std::string> newest_snapshot(const std::string& out);

// Weights, moments and state of a snapshot. Throws Error for one that does not fit the model.
RunState read_snapshot(const std::string& folder, ParameterSet& parameters, const Lora* lora, Optimizer& optimizer);

}  // namespace fathom::train
