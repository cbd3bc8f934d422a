#pragma once
// AMX tiles and their shapes.

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/transpose-inl.h"

namespace fathom::kernels {
namespace {

// What LDTILECFG reads (Intel SDM, "Tile configuration").
struct TileShapes {
  alignas(64) uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, int64_t row_count, int64_t bytes) {
    rows[tile] = static_cast<uint8_t>(row_count);
    row_bytes[tile] = static_cast<uint16_t>(bytes);
  }
  // All tiles become zero.
  void load() const { _tile_loadconfig(this); }
};
static_assert(sizeof(TileShapes) == 64);

// Tile memory that is in use makes every switch of threads dearer.
inline void release_tiles() { _tile_release(); }

}  // namespace
}  // namespace fathom::kernels
