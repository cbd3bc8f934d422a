#include "train/parameters.h"

#include <algorithm>
#include <memory>

#include "checkpoint/export.h"
#include "checkpoint/shard_writer.h"

namespace fathom::train {
namespace {

// Widens a stored matrix row by row, scale block by scale block.
void widen(const ops::Context& ctx, const MatrixView& from, const Tensor& to) {
  ctx.team.for_each(from.rows, [&](int64_t r, int) {
    const auto* row = static_cast<const std::byte*>(from.row(r));
    for (int64_t c = 0; c < from.cols; c += kScaleBlock) {
      ctx.rowwise().widen(row + static_cast<size_t>(c) * dtype_bytes(from.dtype), from.dtype,
                          from.scale(r, c / kScaleBlock), std::min(kScaleBlock, from.cols - c), to.row(r) + c);
    }
  });
}

// What keeps the memory of a view alive.
struct Storage {
  Tensor values;
  Tensor scales;
};

Weight view_of(const Parameter& parameter) {
  const Tensor& values = parameter.value;
  if (parameter.fp8.defined()) {
    return {.view = {.data = parameter.fp8.data_bytes(),
                     .dtype = DType::kF8E4M3,
                     .rows = values.dim(0),
                     .cols = values.dim(1),
                     .scale_inv = parameter.scales.f32()},
            .owner = std::make_shared<Storage>(Storage{parameter.fp8, parameter.scales})};
  }
  return {.view = {.data = values.data_bytes(), .dtype = DType::kF32, .rows = values.dim(0), .cols = values.dim(1)},
          .owner = std::make_shared<Tensor>(values)};
}

}  // namespace

ParameterSet::ParameterSet(model::Transformer& model, const ops::Context& ctx)
    : ctx_(ctx), has_tied_head_(model.config().tie_word_embeddings) {
  model.visit(*this);
}

void ParameterSet::bind(model::Transformer& model) { model.visit(*this); }

Parameter* ParameterSet::find(const std::string& name) {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &parameters_[found->second];
}

Parameter& ParameterSet::add(const std::string& name, const Shape& shape, bool is_trained) {
  index_[name] = parameters_.size();
  parameters_.push_back({.name = name,
                         .value = Tensor::zeros(shape),
                         .gradient = is_trained ? Tensor::zeros(shape) : Tensor(),
                         .is_matrix = shape.size() > 1});
  return parameters_.back();
}

void ParameterSet::matrix(const std::string& name, Weight& weight, int64_t rows, int64_t cols) {
  if (const auto shared = model::shared_with(name, has_tied_head_)) {
    weight = view_of(*find(*shared));
    return;
  }
  if (const Parameter* known = find(name)) {
    weight = view_of(*known);
    return;
  }
  Parameter& parameter = add(name, {rows, cols}, true);
  if (ctx_.trains_in_fp8 && checkpoint::is_stored_in_fp8(name)) {
    parameter.fp8 = Tensor::zeros({rows, cols}, DType::kF8E4M3);
    parameter.scales = Tensor::zeros({ceil_div(rows, kScaleBlock), ceil_div(cols, kScaleBlock)});
  }
  if (weight.defined()) widen(ctx_, weight.view, parameter.value);
  weight = view_of(parameter);
}

void ParameterSet::vector(const std::string& name, Tensor& values, int64_t n) {
  if (const Parameter* known = find(name)) {
    values = known->value;
    return;
  }
  const Parameter& parameter = add(name, {n}, !name.ends_with(".e_score_correction_bias"));
  if (values.defined()) std::copy_n(values.f32(), n, parameter.value.f32());
  values = parameter.value;
}

void ParameterSet::refresh_fp8() const {
  ctx_.team.for_each(static_cast<int64_t>(parameters_.size()), [&](int64_t i, int) {
    const Parameter& p = parameters_[static_cast<size_t>(i)];
    if (!p.fp8.defined()) return;
    checkpoint::quantize_fp8_blocks(p.value.f32(), p.value.dim(0), p.value.dim(1),
                                    reinterpret_cast<f8_t*>(p.fp8.data_bytes()), p.scales.f32());
  });
}

void ParameterSet::clear_gradients(const ops::Context& ctx) {
  ctx.team.for_each(static_cast<int64_t>(parameters_.size()), [&](int64_t i, int) {
    const Tensor& gradient = parameters_[static_cast<size_t>(i)].gradient;
    if (gradient.defined()) std::fill_n(gradient.f32(), gradient.count(), 0.0F);
  });
}

void ParameterSet::watch(ops::Tape& tape) const {
  for (const Parameter& parameter : parameters_) {
    if (!parameter.is_trained()) continue;
    tape.watch(parameter.fp8.defined() ? parameter.fp8.data_bytes() : parameter.value.data_bytes(), parameter.gradient);
  }
}

}  // namespace fathom::train
