#pragma once
// Speed of a model as it stands: prefill and decode at a given depth and batch, held against the bandwidth and the
// matrix rate of the same machine in the same run.

#include <cstdint>
#include <functional>
#include <string>

#include "engine/loaded_model.h"

namespace fathom::engine {

struct BenchmarkParams {
  int64_t prompt_tokens = 512;  // per prefill
  int64_t decode_tokens = 32;   // steps that are timed
  int64_t depth = 0;            // positions in the cache before the timed part, for both
  int64_t batch = 1;            // sequences that decode together
  int64_t chunk = 512;          // tokens per forward pass of the prompt
  int repeats = 3;              // the median of so many is reported
};

struct BenchmarkResult {
  double load_seconds = 0;
  double read_bandwidth = 0;     // bytes/s, measured
  double gemm_rate = 0;          // FLOP/s, measured
  double prefill_rate = 0;       // tokens/s
  double prefill_flops = 0;      // FLOP/s reached
  double decode_rate = 0;        // tokens/s, all sequences together
  double decode_step_bytes = 0;  // weights and cache read by one step
  double decode_bandwidth = 0;   // bytes/s reached
};

// `on_stage` hears what is being measured. Throws Error when depth and tokens do not fit the model's context.
BenchmarkResult run_benchmark(LoadedModel& model, const BenchmarkParams& params,
                              const std::function<void(const std::string&)>& on_stage);

}  // namespace fathom::engine
