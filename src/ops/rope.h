#pragma once
// Rotary positions, plain or extended by YaRN (Peng et al. 2023, section 3.4) the way DeepSeek applies it: the ramp
// between interpolated and original frequencies is on at every position, also in short prompts.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "kernels/rowwise.h"

namespace fathom::ops {

struct YarnParams {
  double factor;
  double beta_fast;
  double beta_slow;
  double mscale;
  double mscale_all_dim;
  int64_t original_max_position_embeddings;
};

class Rope {
 public:
  Rope() = default;
  // `dim` values are rotated (qk_rope_head_dim); `theta` is rope_theta.
  Rope(int64_t dim, double theta, const std::optional<YarnParams>& yarn);

  int64_t dim() const { return static_cast<int64_t>(inv_freq_.size()) * 2; }

  // cos and sin of every pair at `position`, dim()/2 values each, with the YaRN magnitude in them. From any thread.
  void angles(int64_t position, float* cos, float* sin) const;

  // What the attention's softmax scale is multiplied by: mscale(factor, mscale_all_dim) squared, 1 without YaRN.
  double softmax_factor() const { return softmax_factor_; }

 private:
  // Angles of the first positions, made when the first of them is asked for and shared by copies.
  struct Table {
    std::once_flag made;
    std::vector<float> angles;  // [kTablePositions, dim]
  };

  void compute(int64_t position, float* cos, float* sin) const;

  std::vector<double> inv_freq_;
  std::shared_ptr<Table> table_ = std::make_shared<Table>();
  double magnitude_ = 1;
  double softmax_factor_ = 1;
};

}  // namespace fathom::ops
