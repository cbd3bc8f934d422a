#pragma once
// Text generation for one sequence: chunked prefill, decoding, and speculative decoding with the MTP modules (V3
// report, section 2.2: "speculative decoding"). Works on token ids; text is somebody else's business.

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/drafter.h"
#include "engine/sampler.h"
#include "engine/sequence.h"
#include "model/transformer.h"

namespace fathom::engine {

struct GenerateParams {
  SamplingParams sampling = {};
  int64_t max_tokens = 512;
  std::vector<int32_t> stop_tokens = {};  // not reported to on_token
  bool use_mtp = true;                    // where the model has MTP modules
  int64_t prefill_chunk = 512;            // tokens per forward pass of the prompt
};

enum class FinishReason { kStop, kLength, kCancelled };

struct GenerateStats {
  FinishReason finish_reason = FinishReason::kLength;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt, found in the cache
  int64_t generated_tokens = 0;
  int64_t steps = 0;  // forward passes of the main model after the prompt
  int64_t drafted_tokens = 0;
  int64_t accepted_tokens = 0;
  double prefill_seconds = 0;
  double decode_seconds = 0;
};

class Generator {
 public:
  // Serves sequences of up to `context` tokens. The model and what the context points to must outlive it.
  Generator(const model::Transformer& model, const ops::Context& ctx, int64_t context);

  int64_t context() const { return context_; }

  // Continues `prompt`. The longest prefix that the cache still holds from the call before is not computed again.
  // `on_token` gets each token in order and returns false to end; `on_prefill` hears of the prompt tokens done so far.
  // Throws Error(kInvalidArgument) for an empty or too long prompt and for token ids out of range.
  GenerateStats generate(std::span<const int32_t> prompt, const GenerateParams& params,
                         const std::function<bool(int32_t)>& on_token,
                         const std::function<void(int64_t)>& on_prefill = {});

 private:
  void check_prompt(std::span<const int32_t> prompt) const;
  int64_t reuse_prefix(std::span<const int32_t> prompt, bool use_mtp);
  // Hidden states of tokens that follow the cached ones.
  Tensor forward(std::span<const int32_t> tokens);
  // Computes the prompt; returns the hidden state of its last token, [1, D].
  Tensor prefill(const GenerateParams& params, const std::function<void(int64_t)>& on_prefill);
  // One forward pass: verifies the drafts and appends what the model chooses to tokens_. Returns how many came.
  int64_t step(Sampler& sampler, TokenCounts& counts, GenerateStats& stats);

  const model::Transformer& model_;
  ops::Context ctx_;
  int64_t context_;
  PagePool pool_;
  ops::LatentCache cache_;
  Sequence sequence_;
  std::vector<int32_t> tokens_;  // of the sequence: cached ones, then those known but not yet computed
  std::optional<Drafter> drafter_;
  bool is_drafting_ = false;  // in this call
};

}  // namespace fathom::engine
