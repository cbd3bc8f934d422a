#pragma once
// The floor of decoding: bytes of weights and cache that one token makes the machine read, and the work it makes it do.

#include <cstdint>
#include <string>

#include "model/transformer.h"

namespace fathom::model {

// Whether a parameter of that name belongs to an MTP module: their layers follow the main model's.
bool is_mtp_parameter(const ModelConfig& config, const std::string& name);

struct TokenCost {
  double weight_bytes = 0;  // of a single token: chosen experts only, one row of the embedding
  double cache_bytes = 0;   // at `depth` cached positions
  double flops = 0;         // multiply-adds count twice; absorbed attention at `depth` positions
  double linear_flops = 0;  // those of the products with weights alone
};

// Cost of one token of the main model (MTP modules left out) at a depth of `depth` positions, cache values of
// `cache_value_bytes` bytes.
TokenCost token_cost(Transformer& model, int64_t depth, int64_t cache_value_bytes);

// Bytes of weights that one forward pass of `tokens` tokens reads when their experts are drawn evenly: each expert that
// at least one token chose, once.
double batch_weight_bytes(Transformer& model, int64_t tokens);

}  // namespace fathom::model
