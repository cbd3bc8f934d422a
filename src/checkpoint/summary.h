#pragma once
// A model in numbers: how many parameters it has and uses, what it stores, reads and remembers per token.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "checkpoint/checkpoint.h"

namespace fathom::checkpoint {

struct Summary {
  // MTP modules are counted apart, as the reports of V3 do.
  int64_t parameters = 0;
  int64_t embedding_parameters = 0;         // embed_tokens, and lm_head when it is a matrix of its own
  int64_t active_parameters = 0;            // of one token: chosen and shared experts only, embeddings left out
  int64_t mtp_parameters = 0;               // with the modules' own copies of embedding and head
  std::map<std::string, int64_t> bytes_of;  // of all tensors, by type; scales are F32
  double bytes_per_token = 0;               // of weights that decoding one token reads, MTP left out
  int64_t cache_bytes_per_token = 0;        // BF16 latents of the layers, F32 keys of the indexer
  int64_t plain_cache_bytes_per_token = 0;  // what multi-head attention of the same heads would keep in BF16
};

// Of a config alone: types are those that torch_dtype and quantization_config promise.
Summary summarize(const model::ModelConfig& config);
// Of a checkpoint, by what its shards hold. Throws Error when a tensor is missing or has another shape.
Summary summarize(const std::shared_ptr<const Checkpoint>& checkpoint);

}  // namespace fathom::checkpoint
