#pragma once
// Drafts by the MTP modules. Module k (1, 2, ...) at position i takes the level below's hidden state at i and the
// embedding of token i + k, and predicts token i + k + 1; level 0 is the main model. Its cache at position i is final
// once token i + k is; what was computed from drafts is computed again with what really came.

#include <algorithm>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "engine/sequence.h"
#include "model/transformer.h"

namespace fathom::engine {

class Drafter {
 public:
  Drafter(const model::Transformer& model, const ops::Context& ctx, ops::LatentCache& cache);

  // Positions that are final in every module's cache.
  int64_t done() const { return *std::min_element(done_.begin() + 1, done_.end()); }
  // Forgets everything from position `length` on.
  void truncate(int64_t length);

  // Takes the main model's hidden states (after its final norm) of positions [first, first + rows).
  void add_hidden(int64_t first, const Tensor& hidden_TD);

  // Brings the modules' caches up to date. `tokens` are those known: all that the main model has cached and the next
  // one. Returns one draft for each module, chosen by `sampler`: tokens.size(), tokens.size() + 1, ... of the sequence.
  std::vector<int32_t> draft(std::span<const int32_t> tokens, Sequence& sequence, Sampler& sampler,
                             const TokenCounts& counts);
  // The same for a prompt in progress, when nothing is to be drafted yet: final positions only.
  void catch_up(std::span<const int32_t> tokens, Sequence& sequence);

 private:
  // Hidden states of one level that the level above still needs.
  struct Pending {
    int64_t first = 0;  // position of row 0
    Tensor rows;        // [n, D], undefined when empty
    int64_t end() const { return first + (rows.defined() ? rows.dim(0) : 0); }
  };

  // Runs module k over positions [done_[k], end) and keeps its output for the level above.
  Tensor run_module(size_t k, int64_t end, std::span<const int32_t> tokens, Sequence& sequence);
  void append(Pending& pending, int64_t first, const Tensor& rows);
  void drop_before(Pending& pending, int64_t position);

  const model::Transformer& model_;
  const ops::Context& ctx_;
  ops::LatentCache& cache_;
  std::vector<Pending> pending_;  // by level, 0 the main model
  std::vector<int64_t> done_;     // by module, from 1: positions that are final in its cache
};

}  // namespace fathom::engine
