#include "engine/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace fathom::engine {
namespace {

void check_range(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return;
  fail(ErrorCode::kInvalidArgument, name, "is {}, the valid range is [{}, {}]", value, low, high);
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

float Sampler::penalised(float logit, int32_t id, const TokenCounts& counts) const {
  const auto found = counts.find(id);
  if (found == counts.end()) return logit;
  return logit - static_cast<float>(params_.frequency_penalty * found->second + params_.presence_penalty);
}

int32_t Sampler::choose_greedy(std::span<const float> logits, const TokenCounts& counts) const {
  const bool has_penalty = params_.frequency_penalty != 0 || params_.presence_penalty != 0;
  int32_t best = 0;
  float best_logit = -INFINITY;
  for (size_t i = 0; i < logits.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const float logit = has_penalty ? penalised(logits[i], id, counts) : logits[i];
    if (logit > best_logit) {
      best_logit = logit;
      best = id;
    }
  }
  return best;
}

// All tokens that the cuts could keep. A token below (1 - top_p) / V of the whole can never be needed: together all
// such hold less than 1 - top_p. That leaves few to sort.
void Sampler::collect(std::span<const float> logits, const TokenCounts& counts) {
  candidates_.clear();
  const auto temperature = static_cast<float>(params_.temperature);
  float max = -INFINITY;
  for (size_t i = 0; i < logits.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const float logit = penalised(logits[i], id, counts) / temperature;
    if (std::isnan(logit) || logit == -INFINITY) continue;
    max = std::max(max, logit);
    candidates_.push_back({logit, id});
  }
  double floor = params_.min_p > 0 ? params_.min_p : 0;
  if (params_.top_p < 1) {
    double sum = 0;
    for (const Candidate& c : candidates_) sum += std::exp(static_cast<double>(c.logit - max));
    floor = std::max(floor, (1 - params_.top_p) * sum / static_cast<double>(logits.size()));
  }
  if (floor > 0) {
    const double lowest = max + std::log(floor);
    std::erase_if(candidates_, [&](const Candidate& c) { return c.logit < lowest; });
  }
}

void Sampler::cut() {
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  if (params_.top_k > 0 && static_cast<size_t>(params_.top_k) < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + params_.top_k, candidates_.end(), likelier);
    candidates_.resize(static_cast<size_t>(params_.top_k));
  }
  if (params_.top_p >= 1) return;
  std::sort(candidates_.begin(), candidates_.end(), likelier);
  double total = 0;
  for (const Candidate& c : candidates_) total += std::exp(static_cast<double>(c.logit - candidates_[0].logit));
  double sum = 0;
  size_t kept = 0;
  while (kept < candidates_.size() && sum < params_.top_p * total) {
    sum += std::exp(static_cast<double>(candidates_[kept++].logit - candidates_[0].logit));
  }
  candidates_.resize(std::max<size_t>(1, kept));
}

int32_t Sampler::choose(std::span<const float> logits, const TokenCounts& counts, int64_t index) {
  if (params_.temperature == 0) return choose_greedy(logits, counts);
  collect(logits, counts);
  if (candidates_.empty()) return choose_greedy(logits, counts);
  cut();
  const RandomStream noise(params_.seed, static_cast<uint64_t>(index));
  int32_t best = candidates_[0].id;
  double best_value = -INFINITY;
  for (const Candidate& c : candidates_) {
    const double gumbel = -std::log(-std::log(noise.uniform(static_cast<uint64_t>(c.id))));
    const double value = c.logit + gumbel;
    if (value > best_value || (value == best_value && c.id < best)) {
      best_value = value;
      best = c.id;
    }
  }
  return best;
}

}  // namespace fathom::engine
