#pragma once
// From logits to a token. The random part is keyed by (seed, index of the token in its sequence, token id), not drawn
// from a stream, so that the text for a seed is the same on any number of threads, in any batch, and with or without
// speculation.

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace fathom::engine {

struct SamplingParams {
  double temperature = 1;  // 0: the largest logit, the lowest id on a tie
  double top_p = 1;        // the smallest set of most likely tokens that holds this much probability
  int64_t top_k = 0;       // so many most likely tokens; 0: all
  double min_p = 0;        // tokens at least this fraction as likely as the most likely one
  double frequency_penalty = 0;
  double presence_penalty = 0;
  uint64_t seed = 0;
  int64_t vocab_size = 0;  // no token at or past it is chosen: rows of padding behind the vocabulary; 0: all rows count

  // Throws Error(kInvalidArgument) for a value out of range, naming it.
  void validate() const;
};

// How often each token was generated so far in this answer.
using TokenCounts = std::unordered_map<int32_t, int32_t>;

// Chooses the token at `index` of a sequence. Order: penalties, temperature, softmax, top_k, top_p, min_p, choice.
//
// The choice is by the Gumbel-max rule: argmax of log p + g with one Gumbel variable per token, which has exactly the
// distribution p. Two distributions that share their noise, the draft's and the model's, agree at least as often as
// independent draws would, and what is emitted is the model's own choice: speculation changes no text.
class Sampler {
 public:
  explicit Sampler(const SamplingParams& params) : params_(params) { params_.validate(); }

  const SamplingParams& params() const { return params_; }
  // Whether choose() looks at the counts at all.
  bool has_penalty() const { return params_.frequency_penalty != 0 || params_.presence_penalty != 0; }
  int32_t choose(std::span<const float> logits, const TokenCounts& counts, int64_t index);

 private:
  struct Candidate {
    float logit;  // after penalties, less the largest, divided by temperature: 0 or below
    int32_t id;
  };

  // The logits themselves, or a copy less the penalties.
  std::span<const float> penalised(std::span<const float> logits, const TokenCounts& counts);
  void collect(std::span<const float> logits, float max);
  void cut();
  void cut_top_p();
  int32_t choose_by_noise(int64_t index, int32_t largest) const;

  SamplingParams params_;
  std::vector<float> penalised_;
  std::vector<Candidate> candidates_;
};

}  // namespace fathom::engine
