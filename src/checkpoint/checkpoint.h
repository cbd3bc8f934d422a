#pragma once
// A published checkpoint: a folder with config.json and safetensors files, and the binding of its tensors to a model.

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "checkpoint/safetensors.h"
#include "model/config.h"
#include "model/parameters.h"

namespace fathom::checkpoint {

class Checkpoint {
 public:
  // Reads config.json, the index if there is one, and the headers of the shards. Throws Error naming what is missing.
  static std::shared_ptr<const Checkpoint> open(const std::string& folder);

  const std::string& folder() const { return folder_; }
  const model::ModelConfig& config() const { return config_; }
  const std::vector<std::shared_ptr<const SafetensorsFile>>& shards() const { return shards_; }

  struct Found {
    const TensorEntry* entry;
    std::shared_ptr<const SafetensorsFile> shard;
  };
  // Nothing (a null entry) when no shard holds the tensor.
  Found find(const std::string& name) const;

 private:
  // The files that the index names, each of which must hold what the index says.
  void open_index(const std::string& index_path);
  // Without an index: model.safetensors alone, or else every *.safetensors file.
  void open_folder();
  void add_shard(std::shared_ptr<const SafetensorsFile> shard);

  std::string folder_;
  model::ModelConfig config_;
  std::vector<std::shared_ptr<const SafetensorsFile>> shards_;
  std::unordered_map<std::string, size_t> shard_of_;
};

// Points a model's parameters into the mapped files: matrices as they lie, vectors widened to F32 (they are small).
// What MTP modules share with the main model may be left out.
// Throws Error for a tensor that is missing, has another shape than the model wants, or a type without a kernel.
class WeightBinder : public model::ParameterVisitor {
 public:
  explicit WeightBinder(std::shared_ptr<const Checkpoint> checkpoint) : checkpoint_(std::move(checkpoint)) {}
  void matrix(const std::string& name, Weight& weight, int64_t rows, int64_t cols) override;
  void vector(const std::string& name, Tensor& values, int64_t n) override;

 private:
  Checkpoint::Found require(const std::string& name, const Shape& shape) const;
  void bind_scale(const std::string& name, Weight& weight) const;

  std::shared_ptr<const Checkpoint> checkpoint_;
};

}  // namespace fathom::checkpoint
