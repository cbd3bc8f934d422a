#include "engine/loaded_model.h"

#include <chrono>

#include "checkpoint/checkpoint.h"

namespace fathom::engine {

LoadedModel::LoadedModel(const std::string& folder, const LoadOptions& options)
    : started_(std::chrono::steady_clock::now()),
      checkpoint_(checkpoint::Checkpoint::open(folder)),
      transformer_(checkpoint_->config()),
      team_(options.threads > 0 ? options.threads : ThreadTeam::available_cores()),
      context_{.team = team_,
               .allocator = allocator_,
               .kernels = kernels::kernel_table(chosen_isa()),
               .compute = options.compute,
               .mla_form = options.mla_form} {
  checkpoint::WeightBinder binder(checkpoint_);
  transformer_.visit(binder);
  load_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

}  // namespace fathom::engine
