#include "train/run_checks.h"

#include <filesystem>

#include "base/error.h"
#include "tokenizer/tokenizer_path.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

void check_reach(const Recipe& recipe, const std::string& key, int64_t context, int64_t reach) {
  if (context <= reach) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{} is {}, but the model reaches {} positions there", key, context, reach), recipe.path,
              "a shorter context, or a [[stage]] with yarn_factor");
}

}  // namespace

int64_t original_positions(const json::Value& config) {
  const json::Reader reader(config, "config.json");
  if (const auto scaling = reader.find("rope_scaling"))
    return scaling->get("original_max_position_embeddings").as_int(1);
  return reader.get("max_position_embeddings").as_int(1);
}

void check_context(const Recipe& recipe, const json::Value& config) {
  int64_t reach = json::Reader(config, "config.json").get("max_position_embeddings").as_int(1);
  int64_t context = recipe.context;
  // A stage at the first step holds from the beginning.
  if (recipe.stages.empty() || recipe.stages.front().from > 0) check_reach(recipe, "context", context, reach);
  for (const RecipeStage& stage : recipe.stages) {
    if (stage.yarn_factor > 0) {
      reach = static_cast<int64_t>(stage.yarn_factor * static_cast<double>(original_positions(config)));
    }
    if (stage.context > 0) context = stage.context;
    check_reach(recipe, fmt::format("context from step {} on", stage.from), context, reach);
  }
}

std::optional<uint64_t> tokenizer_hash(const Recipe& recipe) {
  if (recipe.tokenizer.empty()) return std::nullopt;
  if (!fs::is_regular_file(tokenizer::tokenizer_path(recipe.tokenizer))) {
    fail(ErrorCode::kNotFound, recipe.tokenizer,
         "holds neither tokenizer.json nor tiktoken.model, expected a tokenizer");
  }
  return tokenizer::tokenizer_hash(recipe.tokenizer);
}

void check_shard(const TokenShard& shard, int64_t vocab_size, std::optional<uint64_t> tokenizer_hash) {
  if (shard.vocab_size() > vocab_size) {
    fail(ErrorCode::kInvalidData, shard.path(), "has a vocabulary of {}, the model one of {}", shard.vocab_size(),
         vocab_size);
  }
  if (tokenizer_hash && shard.tokenizer_hash() != *tokenizer_hash) {
    throw Error(ErrorCode::kInvalidData, "was made with another tokenizer than the recipe's", shard.path(),
                "make it again with `fathom data --tokenizer`");
  }
  for (int64_t i = 0; i < shard.documents(); ++i) {
    if (shard.document(i).size() > 1) return;
  }
  fail(ErrorCode::kInvalidData, shard.path(), "holds no document of two tokens or more");
}

}  // namespace fathom::train
