#pragma once
// What train and finetune share.

#include <CLI/CLI.hpp>

#include "train/trainer.h"

namespace fathom::cli {

struct DashboardFlags {
  int port = 0;  // 0: no page

  void add_to(CLI::App& command);
};

// Runs to the recipe's end or until interrupted, shows how it goes, and says at last where the checkpoint is.
void train_and_show(train::Trainer& trainer, const train::Recipe& recipe, const CachingAllocator& allocator,
                    const DashboardFlags& dashboard);

}  // namespace fathom::cli
