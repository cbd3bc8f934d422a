#pragma once
// A checkpoint with its weights bound to the model, and the context that runs it.

#include <chrono>
#include <memory>
#include <string>

#include "checkpoint/checkpoint.h"
#include "model/transformer.h"

namespace fathom::engine {

struct LoadOptions {
  ops::Compute compute = ops::Compute::kBF16;
  ops::MlaForm mla_form = ops::MlaForm::kAbsorbed;
  int threads = 0;  // 0: one for each core
};

class LoadedModel {
 public:
  // Maps the checkpoint in `folder`; weights are read from disk as they are touched. Throws Error.
  LoadedModel(const std::string& folder, const LoadOptions& options);

  model::Transformer& transformer() { return transformer_; }
  const model::ModelConfig& config() const { return transformer_.config(); }
  ops::Context& context() { return context_; }
  double load_seconds() const { return load_seconds_; }

 private:
  std::chrono::steady_clock::time_point started_;
  std::shared_ptr<const checkpoint::Checkpoint> checkpoint_;
  model::Transformer transformer_;
  ThreadTeam team_;
  CachingAllocator allocator_;
  ops::Context context_;
  double load_seconds_ = 0;
};

}  // namespace fathom::engine
