#pragma once
// Reverse-mode differentiation. While a context carries a tape, an op that computes also writes down how its gradient
// goes back; backward() walks the list from its end. Gradients are known by the address of the values that they belong
// to. A loss adds the gradient of its inputs to the tape at once (cross_entropy.h): it is the end of the list.

#include <functional>
#include <unordered_map>
#include <vector>

#include "tensor/tensor.h"

namespace fathom::ops {

struct Context;

class Tape {
 public:
  // `gradient` is that of the op's output. The context is the one of backward(), without a tape.
  using Backward = std::function<void(const Context& ctx, Tape& tape, const Tensor& gradient)>;

  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // Parameters: gradients of the values at `values` are added to `gradient`, F32 of the same count.
  void watch(const void* values, Tensor gradient);
  // Whether anything asks for the gradient of these values.
  bool tracks(const void* values) const { return gradients_.contains(values); }
  bool tracks(const Tensor& x) const { return tracks(x.data_bytes()); }
  bool tracks(const Weight& w) const { return tracks(w.view.data); }

  // What backward functions add to: zeros at first, of x's shape. x must be tracked.
  Tensor gradient(const Context& ctx, const Tensor& x);
  // The same of a watched matrix.
  Tensor gradient(const Weight& w);

  // `output` was computed from tracked values and may not be overwritten any more.
  void record(const Tensor& output, Backward backward);

  // Calls what was recorded, last first, and forgets it; the memory of each step is freed as it is passed. An output
  // that nothing was computed from is passed over.
  void backward(const Context& ctx);

 private:
  struct Step {
    Tensor output;  // keeps its address from being given to other values
    Backward backward;
  };

  std::vector<Step> steps_;
  std::unordered_map<const void*, Tensor> gradients_;  // undefined until first asked for
};

}  // namespace fathom::ops
