#pragma once
// The numbers of a forward pass under the names of the golden vectors, so that the engine can be held against any
// reference.

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/transformer.h"

namespace fathom::engine {

struct InspectParams {
  int64_t chunk = 0;               // tokens per forward pass; 0: the prompt in one piece
  int64_t greedy_tokens = 16;      // length of the greedy continuation
  bool is_alternative_mtp = true;  // also the two other readings of MTP
};

// For a prompt of S tokens, each name once:
//   tokens [S]; logits [S, V]; hidden.I [S, D]; final_norm [S, D]; layers.N.topk_ids, .topk_weights [S, K];
//   layers.N.index_scores [S, S], .index_topk [S, min(index_topk, S)] (DSA); greedy [G], greedy_logits [G, V];
//   mtp.tokens [S], mtp.logits [S, V], mtp.hidden [S, D], mtp.topk_ids, mtp.topk_weights (first MTP module), and
//   mtp.logits_prenorm_hidden, mtp.logits_position0_zeroed: what other readings of MTP would give.
// Throws Error(kInvalidArgument) for token ids out of range or a prompt past the model's context.
std::map<std::string, Tensor> inspect_forward(const model::Transformer& model, const ops::Context& ctx,
                                              std::span<const int32_t> tokens, const InspectParams& params);

}  // namespace fathom::engine
