#include "ops/latent_cache.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "tensor/blocks.h"

namespace fathom::ops {

using kernels::kPageTokens;

LatentCache::LatentCache(CacheShape shape, kernels::Compute compute, int64_t pages)
    : shape_(shape), compute_(compute), pages_(pages), value_bytes_(compute == kernels::Compute::kF32 ? 4 : 2) {
  const auto latent_bytes = static_cast<size_t>(round_up(kPageTokens * shape.latent_dim * 4, 64)) / 4 * value_bytes_;
  layer_bytes_ = latent_bytes + static_cast<size_t>(kPageTokens * shape.index_dim) * sizeof(float);
  page_bytes_ = layer_bytes_ * static_cast<size_t>(shape.layers);
  const size_t bytes = page_bytes_ * static_cast<size_t>(pages);
  void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    fail(ErrorCode::kResource, "cache", "cannot reserve {} bytes for {} pages: {}", bytes, pages, std::strerror(errno));
  }
  base_ = static_cast<std::byte*>(base);
}

LatentCache::~LatentCache() { ::munmap(base_, page_bytes_ * static_cast<size_t>(pages_)); }

void* LatentCache::latents(int64_t layer, int32_t page) const {
  FATHOM_CHECK_MSG(page >= 0 && page < pages_, "page {} of {}", page, pages_);
  FATHOM_DCHECK(layer >= 0 && layer < shape_.layers);
  return base_ + page_bytes_ * static_cast<size_t>(page) + layer_bytes_ * static_cast<size_t>(layer);
}

float* LatentCache::index_keys(int64_t layer, int32_t page) const {
  FATHOM_DCHECK(shape_.index_dim > 0);
  const size_t latent_bytes = layer_bytes_ - static_cast<size_t>(kPageTokens * shape_.index_dim) * sizeof(float);
  return reinterpret_cast<float*>(static_cast<std::byte*>(latents(layer, page)) + latent_bytes);
}

}  // namespace fathom::ops
