#pragma once
// The only cache: per token and layer the latent (kv_lora_rank values, after kv_a_layernorm) and the rotated key part
// that all heads share (qk_rope_head_dim values); with DSA the indexer's key as well. It is paged: a page holds 64
// tokens of all layers in one run of memory, so that sharing, spilling to disk and moving speak of pages.

#include <cstddef>
#include <cstdint>

#include "kernels/attention.h"
#include "kernels/matmul.h"

namespace fathom::ops {

struct CacheShape {
  int64_t layers = 0;
  int64_t latent_dim = 0;  // kv_lora_rank + qk_rope_head_dim
  int64_t index_dim = 0;   // index_head_dim, 0 without DSA
};

class LatentCache {
 public:
  // Reserves address space for `pages` pages; memory is taken as pages are written. F32 arithmetic keeps F32 values,
  // BF16 arithmetic BF16 ones. Throws Error(kResource).
  LatentCache(CacheShape shape, kernels::Compute compute, int64_t pages);
  ~LatentCache();
  LatentCache(const LatentCache&) = delete;
  LatentCache& operator=(const LatentCache&) = delete;

  const CacheShape& shape() const { return shape_; }
  kernels::Compute compute() const { return compute_; }
  int64_t pages() const { return pages_; }
  // Bytes of one page, all layers.
  size_t page_bytes() const { return page_bytes_; }
  // [64, latent_dim] of `layer` in `page`.
  void* latents(int64_t layer, int32_t page) const;
  // [64, index_dim] F32 of `layer` in `page`.
  float* index_keys(int64_t layer, int32_t page) const;

 private:
  CacheShape shape_;
  kernels::Compute compute_;
  int64_t pages_;
  size_t value_bytes_;
  size_t layer_bytes_;
  size_t page_bytes_;
  std::byte* base_ = nullptr;
};

}  // namespace fathom::ops
