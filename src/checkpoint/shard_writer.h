#pragma once
// Checkpoints that are written tensor by tensor, none of which need be in memory.

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tensor/tensor.h"

namespace fathom::checkpoint {

struct PlannedTensor {
  std::string name;
  DType dtype;
  Shape shape;

  size_t bytes() const { return static_cast<size_t>(element_count(shape)) * dtype_bytes(dtype); }
};

using ByteSink = std::function<void(std::span<const std::byte>)>;

// Writes `folder`/model-*-of-*.safetensors of at most 4 GiB each and the index. values(i, sink) hands tensor i's bytes
// to the sink in order. Each file appears whole or not at all. Throws Error.
void write_shards(const std::string& folder, std::span<const PlannedTensor> tensors,
                  const std::function<void(size_t, const ByteSink&)>& values);

// Whether published FP8 checkpoints hold this matrix in FP8: embedding, head, gate, the MTP projection and
// the indexer's head weights stay BF16.
bool is_stored_in_fp8(std::string_view name);
// The name of its scales.
std::string scale_name(std::string_view name);

// Writes `folder`/config.json: `config` with what says that the weights are stored as `dtype` (FP8: in 128x128 blocks).
void write_config(const std::string& folder, json::Value config, DType dtype);

}  // namespace fathom::checkpoint
