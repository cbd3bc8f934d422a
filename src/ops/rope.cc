#include "ops/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fathom::ops {
namespace {

// Where most of training and of chats takes place; half a megabyte for DeepSeek-V3, whose layers share it.
constexpr int64_t kTablePositions = 2048;

// The dimension (as a real number) whose wave turns `rotations` times within `context` positions.
double correction_dim(double rotations, int64_t dim, double theta, double context) {
  return static_cast<double>(dim) * std::log(context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(theta));
}

double yarn_mscale(double factor, double mscale) { return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

}  // namespace

Rope::Rope(int64_t dim, double theta, const std::optional<YarnParams>& yarn) {
  const int64_t pairs = dim / 2;
  inv_freq_.resize(static_cast<size_t>(pairs));
  for (int64_t i = 0; i < pairs; ++i) {
    inv_freq_[static_cast<size_t>(i)] = std::pow(theta, -static_cast<double>(2 * i) / static_cast<double>(dim));
  }
  if (!yarn) return;

  const auto context = static_cast<double>(yarn->original_max_position_embeddings);
  const double low = std::max(std::floor(correction_dim(yarn->beta_fast, dim, theta, context)), 0.0);
  double high = std::min(std::ceil(correction_dim(yarn->beta_slow, dim, theta, context)), static_cast<double>(dim - 1));
  if (low == high) high += 0.001;
  for (int64_t i = 0; i < pairs; ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    double& frequency = inv_freq_[static_cast<size_t>(i)];
    frequency = frequency / yarn->factor * ramp + frequency * (1 - ramp);
  }
  const double all_dim = yarn_mscale(yarn->factor, yarn->mscale_all_dim);
  magnitude_ = yarn_mscale(yarn->factor, yarn->mscale) / all_dim;
  softmax_factor_ = all_dim * all_dim;
}

void Rope::angles(int64_t position, float* cos, float* sin) const {
  if (position >= kTablePositions) return compute(position, cos, sin);
  const size_t pairs = inv_freq_.size();
  std::call_once(table_->made, [&] {
    table_->angles.resize(static_cast<size_t>(kTablePositions) * 2 * pairs);
    for (int64_t p = 0; p < kTablePositions; ++p) {
      float* row = table_->angles.data() + static_cast<size_t>(p) * 2 * pairs;
      compute(p, row, row + pairs);
    }
  });
  const float* row = table_->angles.data() + static_cast<size_t>(position) * 2 * pairs;
  std::copy_n(row, pairs, cos);
  std::copy_n(row + pairs, pairs, sin);
}

void Rope::compute(int64_t position, float* cos, float* sin) const {
  for (size_t i = 0; i < inv_freq_.size(); ++i) {
    const double angle = static_cast<double>(position) * inv_freq_[i];
    cos[i] = static_cast<float>(std::cos(angle) * magnitude_);
    sin[i] = static_cast<float>(std::sin(angle) * magnitude_);
  }
}

}  // namespace fathom::ops
