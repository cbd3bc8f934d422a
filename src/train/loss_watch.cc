#include "train/loss_watch.h"

#include <algorithm>
#include <cmath>

namespace fathom::train {
namespace {

constexpr int64_t kLeast = 20;         // losses before anything is called a spike
constexpr double kMemory = 0.95;       // of the running mean
constexpr double kLeastSpread = 0.02;  // of the mean: a loss that hardly moves has no spikes of its own noise

}  // namespace

bool LossWatch::is_spike(double loss, double factor) {
  const double spread = std::max(std::sqrt(variance), kLeastSpread * std::abs(mean));
  if (seen >= kLeast && loss > mean + factor * spread) return true;
  const double memory = std::min(kMemory, static_cast<double>(seen) / static_cast<double>(seen + 1));
  const double off = loss - mean;
  mean += (1 - memory) * off;
  variance = memory * (variance + (1 - memory) * off * off);
  ++seen;
  return false;
}

}  // namespace fathom::train
