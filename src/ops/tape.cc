#include "ops/tape.h"

#include <algorithm>
#include <utility>

#include "ops/context.h"

namespace fathom::ops {

void Tape::watch(const void* values, Tensor gradient) {
  FATHOM_CHECK(gradient.defined());
  gradients_[values] = std::move(gradient);
}

Tensor Tape::gradient(const Context& ctx, const Tensor& x) {
  Tensor& gradient = gradients_.at(x.data_bytes());
  if (!gradient.defined()) {
    gradient = ctx.empty(x.shape());
    std::fill_n(gradient.f32(), gradient.count(), 0.0F);
  }
  return gradient;
}

Tensor Tape::gradient(const Weight& w) {
  const Tensor& gradient = gradients_.at(w.view.data);
  FATHOM_CHECK(gradient.count() == w.rows() * w.cols());
  return gradient;
}

void Tape::record(const Tensor& output, Backward backward) {
  const bool is_new = gradients_.emplace(output.data_bytes(), Tensor()).second;
  FATHOM_CHECK_MSG(is_new, "two steps of one tape with the same output, {}", shape_text(output.shape()));
  steps_.push_back({output, std::move(backward)});
}

void Tape::backward(const Context& ctx) {
  Context plain = ctx;
  plain.tape = nullptr;
  while (!steps_.empty()) {
    const Step step = std::move(steps_.back());
    steps_.pop_back();
    const auto found = gradients_.find(step.output.data_bytes());
    const Tensor gradient = std::move(found->second);
    gradients_.erase(found);
    if (gradient.defined()) step.backward(plain, *this, gradient);
  }
}

}  // namespace fathom::ops
