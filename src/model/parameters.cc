#include "model/parameters.h"

namespace fathom::model {

std::optional<std::string> shared_with(std::string_view name, bool tie_word_embeddings) {
  constexpr std::string_view kEmbedding = "model.embed_tokens.weight";
  if (name != kEmbedding && name.ends_with(".embed_tokens.weight")) return std::string(kEmbedding);
  if (!name.ends_with(".shared_head.head.weight")) return std::nullopt;
  return tie_word_embeddings ? std::string(kEmbedding) : "lm_head.weight";
}

}  // namespace fathom::model
