#pragma once
// Weights in their published formats as vectors of F32.

#include "kernels/cpu/rowwise_vec-inl.h"
#include "tensor/blocks.h"

namespace fathom::kernels {
namespace {

struct StoredF32 {
  using Value = float;
  static constexpr DType kType = DType::kF32;
  static Vec widen(const Value* p) { return load(p); }
};
struct StoredBf16 {
  using Value = uint16_t;
  static constexpr DType kType = DType::kBF16;
  static Vec widen(const Value* p) { return widen_bf16(p); }
};
struct StoredF16 {
  using Value = uint16_t;
  static constexpr DType kType = DType::kF16;
  static Vec widen(const Value* p) { return widen_f16(p); }
};
struct StoredF8 {
  using Value = uint8_t;
  static constexpr DType kType = DType::kF8E4M3;
  static Vec widen(const Value* p) { return widen_f8e4m3(p); }
};

// The first n < 16 values, zeros behind; touches no memory beyond them.
template <typename Stored>
inline Vec widen_first(const typename Stored::Value* p, int64_t n) {
  typename Stored::Value values[kLanes] = {};
  __builtin_memcpy(values, p, static_cast<size_t>(n) * sizeof(values[0]));
  return Stored::widen(values);
}

// Calls `body` with the format of `type` as its argument; formats without kernels are refused when a model is read.
template <typename Body>
inline void with_format(DType type, const Body& body) {
  switch (type) {
    case DType::kF32:
      return body(StoredF32());
    case DType::kBF16:
      return body(StoredBf16());
    case DType::kF16:
      return body(StoredF16());
    case DType::kF8E4M3:
      return body(StoredF8());
    default:
      return;
  }
}

template <typename Stored>
inline const typename Stored::Value* row_of(const MatrixView& w, int64_t row) {
  return static_cast<const typename Stored::Value*>(w.data) + row * w.cols;
}

}  // namespace
}  // namespace fathom::kernels
