#pragma once
// Checkpoints of random weights in published layout: for benches of shapes whose weights are not at hand.

#include <cstdint>
#include <string>

namespace fathom::checkpoint {

// Writes `folder`/config.json (a copy of `config_path`) and safetensors shards with an index. `format` is f32, bf16,
// f16 or fp8 (matrices of layers as E4M3 with 128x128 scales, the rest BF16). Values are uniform with a standard
// deviation of 1/sqrt(columns), norms are 1. Throws Error for a config that cannot be read or a disk that is full.
void write_random_checkpoint_for(const std::string& config_path, const std::string& format, const std::string& folder,
                                 uint64_t seed);

}  // namespace fathom::checkpoint
