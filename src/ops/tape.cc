#include "ops/tape.h"

#include <algorithm>
#include <utility>

#include "ops/context.h"

namespace fathom::ops {

Tensor Saved::values(const Context& ctx) const {
  if (!remade_) {
    FATHOM_CHECK(values_.defined());
    return values_;
  }
  if (!remade_->made.defined()) remade_->made = remade_->make(ctx);
  return remade_->made;
}

void Tape::watch(const void* values, Tensor gradient) {
  FATHOM_CHECK(gradient.defined());
  parameters_[values] = std::move(gradient);
}

Saved Tape::save(const Tensor& x) const {
  if (!x.defined()) return {};
  Saved out(x);
  const auto found = given_up_.find(out.storage_);
  if (found == given_up_.end()) {
    out.values_ = x;
  } else {
    out.remade_ = found->second;
  }
  return out;
}

void Tape::give_up(const Tensor& output, std::function<Tensor(const Context&)> make) {
  given_up_[output.storage()] = std::make_shared<Remade>(Remade{std::move(make), Tensor()});
}

Tensor Tape::gradient(const Context& ctx, const Saved& x) {
  const auto parameter = parameters_.find(x.address_);
  if (parameter != parameters_.end()) return parameter->second;
  Tensor& gradient = gradients_.at(x.storage_);
  if (!gradient.defined()) {
    gradient = ctx.empty(x.shape_);
    std::fill_n(gradient.f32(), gradient.count(), 0.0F);
  }
  FATHOM_CHECK_MSG(gradient.shape() == x.shape_, "gradient {} of {}", shape_text(gradient.shape()),
                   shape_text(x.shape_));
  return gradient;
}

Tensor Tape::gradient(const Weight& w) {
  const Tensor& gradient = parameters_.at(w.view.data);
  FATHOM_CHECK(gradient.count() == w.rows() * w.cols());
  return gradient;
}

void Tape::record(const Tensor& output, Backward backward) {
  const bool is_new = gradients_.emplace(output.storage(), Tensor()).second;
  FATHOM_CHECK_MSG(is_new, "two steps of one tape with the same output, {}", shape_text(output.shape()));
  steps_.push_back({output.storage(), std::move(backward)});
}

void Tape::backward(const Context& ctx) {
  Context plain = ctx;
  plain.tape = nullptr;
  while (!steps_.empty()) {
    const Step step = std::move(steps_.back());
    steps_.pop_back();
    given_up_.erase(step.output);
    const auto found = gradients_.find(step.output);
    const Tensor gradient = std::move(found->second);
    gradients_.erase(found);
    if (gradient.defined()) step.backward(plain, *this, gradient);
  }
}

}  // namespace fathom::ops
