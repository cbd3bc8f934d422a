#pragma once
// From gradients to new weights: AdamW (Loshchilov and Hutter 2019) with the settings of the V3 report, section 4.2,
// and Muon (Jordan et al. 2024) for the matrices inside of the layers, scaled as in Moonlight (Liu et al. 2025,
// section 2.2) so that rate and decay mean for both the same.

#include <string>
#include <utility>
#include <vector>

#include "ops/gemm.h"
#include "train/parameters.h"

namespace fathom::train {

enum class OptimizerRule { kAdamW, kMuon };

// Parameters whose names fit a pattern of the shell's kind, and what is different for them. The first that fits counts.
struct ParameterGroup {
  std::string match;
  double weight_decay = 0;
  double rate = 1;  // times the learning rate
};

struct OptimizerParams {
  OptimizerRule rule = OptimizerRule::kAdamW;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;  // of matrices; vectors are not decayed
  double momentum = 0.95;     // Muon's
  bool has_bf16_moments = false;
  std::vector<ParameterGroup> groups = {};
};

// Euclidean norm over all gradients. The order of summation does not depend on the number of threads.
double gradient_norm(const ops::Context& ctx, const std::vector<Parameter>& parameters);

// x [m, n] becomes a matrix of about the same singular vectors whose singular values are near 1, between 0.6 and 1.3:
// five steps of a Newton-Schulz iteration of degree five (Jordan et al. 2024).
void orthogonalise(const ops::Context& ctx, const Tensor& x, ops::Workers workers);

class Optimizer {
 public:
  Optimizer(const std::vector<Parameter>& parameters, const OptimizerParams& params);

  // One step with gradients times `gradient_scale`:
  //   AdamW: p -= rate decay p; p -= rate m / (sqrt(v) + eps), moments corrected.
  //   Muon: p -= rate decay p; p -= rate 0.2 sqrt(max(rows, cols)) orthogonal(g + momentum b), b = momentum b + g.
  // Parameters whose names begin with one of `resting` stay as they are, and so do their moments.
  void step(const ops::Context& ctx, const std::vector<Parameter>& parameters, double learning_rate,
            double gradient_scale, const std::vector<std::string>& resting = {});

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  // What it remembers, under names of its own; a snapshot writes these and reads into them.
  const std::vector<std::pair<std::string, Tensor>>& state() const { return state_; }

 private:
  struct Slot {
    bool is_trained = false;
    bool is_muon = false;
    bool rests = false;  // in this step
    double weight_decay = 0;
    double rate = 1;
    Tensor first = {};   // AdamW: mean of gradients; Muon: momentum
    Tensor second = {};  // AdamW: mean of their squares
  };

  Tensor remember(const std::string& name, const Shape& shape);
  void adamw(const ops::Context& ctx, const std::vector<Parameter>& parameters, double rate, float scale);
  void muon(const ops::Context& ctx, const std::vector<Parameter>& parameters, double rate, float scale);
  void muon(const ops::Context& ctx, const Parameter& parameter, const Slot& slot, double rate, float scale,
            ops::Workers workers);

  OptimizerParams params_;
  int64_t steps_ = 0;
  std::vector<Slot> slots_;  // by parameter
  std::vector<std::pair<std::string, Tensor>> state_;
};

}  // namespace fathom::train
