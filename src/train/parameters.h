#pragma once
// A model's parameters as training has them: F32 values that the model reads, and a gradient beside each.

#include <string>
#include <unordered_map>
#include <vector>

#include "model/transformer.h"
#include "ops/context.h"

namespace fathom::train {

struct Parameter {
  std::string name;  // as published
  Tensor value;      // F32
  Tensor gradient;   // F32 of the same shape; undefined when no gradient reaches it
  bool is_matrix = false;
  Tensor fp8 = {};  // what the model reads when it trains in FP8: `value` in E4M3, scales of 128x128 blocks behind it
  Tensor scales = {};  // [ceil(rows / 128), ceil(cols / 128)]

  bool is_trained() const { return gradient.defined(); }
};

class ParameterSet : private model::ParameterVisitor {
 public:
  // Copies every parameter of `model` into memory of its own, widened to F32, and lets the model read it there. The
  // multi-token-prediction modules share embedding and head with the model (V3 report, section 2.2): their own copies
  // are let go. e_score_correction_bias has no gradient: it follows the load of the experts.
  //
  // Under a context that trains in FP8 the model reads matrices that published checkpoints hold in FP8 in blocks of
  // 128x128 (V3 report, section 3.3); `value` is their master copy, refresh_fp8() rounds it anew.
  ParameterSet(model::Transformer& model, const ops::Context& ctx);

  void refresh_fp8() const;

  // Lets another model of the same shapes read them.
  void bind(model::Transformer& model);

  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }
  // Null when there is none of that name.
  Parameter* find(const std::string& name);

  void clear_gradients(const ops::Context& ctx);
  // Tells the tape where gradients go.
  void watch(ops::Tape& tape) const;

 private:
  void matrix(const std::string& name, Weight& weight, int64_t rows, int64_t cols) override;
  void vector(const std::string& name, Tensor& values, int64_t n) override;
  Parameter& add(const std::string& name, const Shape& shape, bool is_trained);

  const ops::Context& ctx_;
  bool has_tied_head_;
  std::vector<Parameter> parameters_;
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace fathom::train
