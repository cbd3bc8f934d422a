#pragma once
// Parameters by their published names. Every module lists its own through `visit`, which builds the names in one place;
// loading, saving, counting, optimizer groups and inspection are visitors.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace fathom::model {

class ParameterVisitor {
 public:
  virtual ~ParameterVisitor() = default;
  // A linear layer or embedding, [rows, cols], in any stored format; `name` ends in ".weight".
  virtual void matrix(const std::string& name, Weight& weight, int64_t rows, int64_t cols) = 0;
  // A vector of n values, F32 in memory (norm weights, biases): small, so it is widened when loaded.
  virtual void vector(const std::string& name, Tensor& values, int64_t n) = 0;
};

// The parameter that an MTP module shares with the main model (V3 report, section 2.2: embedding and output head),
// whose copy published checkpoints hold under a name of its own; nothing for all others.
std::optional<std::string> shared_with(std::string_view name, bool tie_word_embeddings);

}  // namespace fathom::model
