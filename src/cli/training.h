#pragma once
// What train and finetune share.

#include "train/trainer.h"

namespace fathom::cli {

// Runs to the recipe's end or until interrupted, shows how it goes, and says at last where the checkpoint is.
void train_and_show(train::Trainer& trainer, const train::Recipe& recipe, const CachingAllocator& allocator);

}  // namespace fathom::cli
