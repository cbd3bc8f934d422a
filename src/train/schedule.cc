#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace fathom::train {

Schedule::Schedule(std::vector<Phase> phases, int64_t steps)
    : phases_(std::move(phases)), steps_(static_cast<double>(steps)) {
  double sum = 0;
  for (const Phase& phase : phases_) {
    if (!(phase.share > 0)) {
      fail(ErrorCode::kInvalidArgument, "schedule", "has a phase of {} of the steps, expected more than 0",
           phase.share);
    }
    sum += phase.share;
  }
  if (phases_.empty() || steps < 1) fail(ErrorCode::kInvalidArgument, "schedule", "has no phase or no step");
  for (Phase& phase : phases_) phase.share /= sum;
}

Schedule Schedule::named(const std::string& name, int64_t warmup, int64_t steps) {
  if (warmup < 0 || warmup >= steps) {
    fail(ErrorCode::kInvalidArgument, "schedule.warmup", "found {} of {} steps, expected fewer", warmup, steps);
  }
  const double rest = static_cast<double>(steps - warmup) / static_cast<double>(steps);
  std::vector<Phase> phases;
  if (warmup > 0) phases.push_back({PhaseShape::kLinear, 1 - rest, 0, 1});
  if (name == "v3") {
    // 10 T tokens constant, 4.3 T of cosine, 333 G and 167 G of tails, of 14.8 T in all.
    phases.push_back({PhaseShape::kConstant, rest * 0.6757, 1, 1});
    phases.push_back({PhaseShape::kCosine, rest * 0.2905, 1, 0.1});
    phases.push_back({PhaseShape::kConstant, rest * 0.0225, 0.1, 0.1});
    phases.push_back({PhaseShape::kConstant, rest * 0.0113, 0.0332, 0.0332});
  } else if (name == "wsd") {
    phases.push_back({PhaseShape::kConstant, rest * 0.8, 1, 1});
    phases.push_back({PhaseShape::kLinear, rest * 0.2, 1, 0});
  } else if (name == "cosine") {
    phases.push_back({PhaseShape::kCosine, rest, 1, 0.1});
  } else if (name == "linear") {
    phases.push_back({PhaseShape::kLinear, rest, 1, 0});
  } else if (name == "constant") {
    phases.push_back({PhaseShape::kConstant, rest, 1, 1});
  } else {
    fail(ErrorCode::kInvalidArgument, "schedule.name", "found '{}', expected v3, wsd, cosine, linear or constant",
         name);
  }
  return {std::move(phases), steps};
}

double Schedule::factor(int64_t step) const {
  // The middle of the step, so that a rise from zero gives the first one something.
  double at = std::min((static_cast<double>(step) + 0.5) / steps_, 1.0);
  for (const Phase& phase : phases_) {
    if (at > phase.share && &phase != &phases_.back()) {
      at -= phase.share;
      continue;
    }
    const double t = std::min(at / phase.share, 1.0);
    if (phase.shape == PhaseShape::kConstant) return phase.from;
    if (phase.shape == PhaseShape::kLinear) return phase.from + (phase.to - phase.from) * t;
    return phase.to + (phase.from - phase.to) * 0.5 * (1 + std::cos(std::numbers::pi * t));
  }
  return phases_.back().to;
}

}  // namespace fathom::train
