#pragma once
// AdamW (Loshchilov and Hutter 2019) with the settings of the V3 report, section 4.2.

#include <vector>

#include "train/parameters.h"

namespace fathom::train {

struct AdamWParams {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;  // of matrices; vectors are not decayed
};

// Euclidean norm over all gradients. The order of summation does not depend on the number of threads.
double gradient_norm(const ops::Context& ctx, const ParameterSet& parameters);

class AdamW {
 public:
  AdamW(const ParameterSet& parameters, const AdamWParams& params);

  // p -= lr decay p; p -= lr m / (sqrt(v) + eps) with corrected moments, of gradients times `gradient_scale`.
  void step(const ops::Context& ctx, ParameterSet& parameters, double learning_rate, double gradient_scale);

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  // Moments of a parameter by its place in the set; undefined for one that is not trained.
  const Tensor& first(size_t parameter) const { return first_[parameter]; }
  const Tensor& second(size_t parameter) const { return second_[parameter]; }

 private:
  AdamWParams params_;
  int64_t steps_ = 0;
  std::vector<Tensor> first_;  // moments, by parameter
  std::vector<Tensor> second_;
};

}  // namespace fathom::train
