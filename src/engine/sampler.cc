#include "engine/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace fathom::engine {
namespace {

// The Gumbel noise lies between -3.61 and 36.74 (-log(-log(u)) at the ends of RandomStream's uniform), so a token this
// far below the likeliest one cannot win.
constexpr double kImpossible = -41;

// exp(-k) for every lead k that can be: noise and logits span less than 128.
const std::array<double, 128> kTails = [] {
  std::array<double, 128> tails{};
  for (size_t k = 0; k < tails.size(); ++k) tails[k] = std::exp(-static_cast<double>(k));
  return tails;
}();

void check_range(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return;
  fail(ErrorCode::kInvalidArgument, name, "is {}, the valid range is [{}, {}]", value, low, high);
}

// The largest logit, the lowest id on a tie; NaN counts as the least.
int32_t argmax(std::span<const float> logits) {
  int32_t best = 0;
  float best_logit = -INFINITY;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > best_logit) {
      best_logit = logits[i];
      best = static_cast<int32_t>(i);
    }
  }
  return best;
}

template <typename Candidate>
bool likelier(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

}  // namespace

void SamplingParams::validate() const {
  check_range("temperature", temperature, 0, 2);
  check_range("top_p", top_p, 0, 1);
  if (top_p == 0) fail(ErrorCode::kInvalidArgument, "top_p", "is 0, the valid range is (0, 1]");
  check_range("min_p", min_p, 0, 1);
  check_range("frequency_penalty", frequency_penalty, -2, 2);
  check_range("presence_penalty", presence_penalty, -2, 2);
  if (top_k < 0) fail(ErrorCode::kInvalidArgument, "top_k", "is {}, expected 0 (all) or more", top_k);
}

std::span<const float> Sampler::penalised(std::span<const float> logits, const TokenCounts& counts) {
  if (!has_penalty() || counts.empty()) return logits;
  penalised_.assign(logits.begin(), logits.end());
  for (const auto& [id, count] : counts) {
    penalised_[static_cast<size_t>(id)] -=
        static_cast<float>(params_.frequency_penalty * count + params_.presence_penalty);
  }
  return penalised_;
}

void Sampler::collect(std::span<const float> logits, float max) {
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    // In double and from the largest down, so that a tiny temperature overflows for the others alone.
    const double logit = (static_cast<double>(logits[i]) - max) / params_.temperature;
    if (logit > kImpossible) candidates_.push_back({static_cast<float>(logit), static_cast<int32_t>(i)});
  }
}

void Sampler::cut() {
  if (params_.top_k > 0 && static_cast<size_t>(params_.top_k) < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + params_.top_k, candidates_.end(), likelier<Candidate>);
    candidates_.resize(static_cast<size_t>(params_.top_k));
  }
  if (params_.top_p < 1) cut_top_p();
  // The likeliest token has logit 0.
  if (params_.min_p > 0) {
    const double lowest = std::log(params_.min_p);
    std::erase_if(candidates_, [&](const Candidate& c) { return c.logit < lowest; });
  }
}

void Sampler::cut_top_p() {
  double total = 0;
  for (const Candidate& c : candidates_) total += std::exp(static_cast<double>(c.logit));
  // A token below (1 - top_p) / N of the whole can never be needed: together all such hold less than 1 - top_p. That
  // leaves few to sort.
  const double lowest = std::log((1 - params_.top_p) * total / static_cast<double>(candidates_.size()));
  std::erase_if(candidates_, [&](const Candidate& c) { return c.logit < lowest; });
  std::sort(candidates_.begin(), candidates_.end(), likelier<Candidate>);
  double sum = 0;
  size_t kept = 0;
  while (kept < candidates_.size() && sum < params_.top_p * total) {
    sum += std::exp(static_cast<double>(candidates_[kept++].logit));
  }
  candidates_.resize(kept);
}

int32_t Sampler::choose(std::span<const float> logits, const TokenCounts& counts, int64_t index) {
  if (params_.vocab_size > 0 && static_cast<int64_t>(logits.size()) > params_.vocab_size) {
    logits = logits.first(static_cast<size_t>(params_.vocab_size));
  }
  logits = penalised(logits, counts);
  const int32_t largest = argmax(logits);
  const float max = logits[static_cast<size_t>(largest)];
  // Without finite logits there is no distribution to draw from.
  if (params_.temperature == 0 || !std::isfinite(max)) return largest;
  collect(logits, max);
  cut();
  return choose_by_noise(index, largest);
}

int32_t Sampler::choose_by_noise(int64_t index, int32_t largest) const {
  const RandomStream noise(params_.seed, static_cast<uint64_t>(index));
  int32_t best = largest;
  double best_value = -INFINITY;
  for (const Candidate& c : candidates_) {
    const double u = noise.uniform(static_cast<uint64_t>(c.id));
    // To win, the noise must pass the lead g of the best one so far, and P(noise > g) = 1 - exp(-exp(-g)) <= exp(-g).
    // Most draws fall at this bound and need no logarithm.
    const double lead = best_value - c.logit;
    if (lead > 0 && 1 - u > kTails[static_cast<size_t>(lead)]) continue;
    const double value = c.logit - std::log(-std::log(u));
    if (value > best_value || (value == best_value && c.id < best)) {
      best_value = value;
      best = c.id;
    }
  }
  return best;
}

}  // namespace fathom::engine
