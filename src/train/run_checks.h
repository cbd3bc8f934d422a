#pragma once
// What must hold between a recipe, its model and its data, told before the first step and not by the hundredth.

#include <cstdint>
#include <optional>

#include "base/json.h"
#include "train/recipe.h"
#include "train/token_shard.h"

namespace fathom::train {

// Positions that a model knew before its rotary angles were stretched.
int64_t original_positions(const json::Value& config);

// Throws Error(kInvalidArgument) for a context, the recipe's or a stage's, that is longer than what the model reaches
// under the yarn_factor that holds by then.
void check_context(const Recipe& recipe, const json::Value& config);

// Nothing when there is no tokenizer or when it has no tokenizer.json to compare shards by. Throws Error for a folder
// without tokenizer.
std::optional<uint64_t> tokenizer_hash(const Recipe& recipe);

// Throws Error(kInvalidData) for a shard that another tokenizer made, has too large a vocabulary or no document that
// something can be learned from.
void check_shard(const TokenShard& shard, int64_t vocab_size, std::optional<uint64_t> tokenizer_hash);

}  // namespace fathom::train
