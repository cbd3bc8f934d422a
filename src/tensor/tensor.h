#pragma once
// A dense array with shape and element type that shares its storage. Copying a Tensor copies the handle, not the
// values.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "tensor/allocator.h"
#include "tensor/blocks.h"
#include "tensor/dtype.h"

namespace fathom {

using Shape = std::vector<int64_t>;

int64_t element_count(const Shape& shape);
// "[12, 384]"
std::string shape_text(const Shape& shape);

template <typename T>
inline constexpr bool kIsElement = false;
template <>
inline constexpr bool kIsElement<float> = true;
template <>
inline constexpr bool kIsElement<int32_t> = true;
template <>
inline constexpr bool kIsElement<uint16_t> = true;

class Tensor {
 public:
  // Nothing: no shape, no storage.
  Tensor() = default;

  // Uninitialised values from `allocator`, which must outlive the tensor.
  static Tensor empty(CachingAllocator& allocator, Shape shape, DType dtype = DType::kF32);
  // Zeros in storage of its own.
  static Tensor zeros(Shape shape, DType dtype = DType::kF32);
  static Tensor of(Shape shape, std::vector<float> values);
  static Tensor of(Shape shape, std::vector<int32_t> values);

  bool defined() const { return storage_ != nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t dim(size_t axis) const { return shape_[axis]; }
  int64_t count() const { return element_count(shape_); }
  size_t bytes() const { return static_cast<size_t>(count()) * dtype_bytes(dtype_); }

  // Values in row-major order; T must be the element type's size (float, int32_t, bf16_t).
  template <typename T>
  T* data() const {
    static_assert(kIsElement<T>);
    FATHOM_DCHECK(sizeof(T) == dtype_bytes(dtype_));
    return reinterpret_cast<T*>(storage_.get());
  }
  // The same without a type.
  std::byte* data_bytes() const { return storage_.get(); }
  float* f32() const { return data<float>(); }
  int32_t* i32() const { return data<int32_t>(); }
  // What keeps the values: shared by all handles of them.
  const std::shared_ptr<std::byte>& storage() const { return storage_; }
  // Row r of a matrix.
  float* row(int64_t r) const { return f32() + r * shape_.back(); }

  // Rows [begin, end) of the first axis, in the same storage.
  Tensor rows(int64_t begin, int64_t end) const;

 private:
  DType dtype_ = DType::kF32;
  Shape shape_;
  std::shared_ptr<std::byte> storage_;
};

// A matrix of a linear layer: a view of stored bytes and what keeps them alive (a mapped file, a tensor).
struct Weight {
  MatrixView view;
  std::shared_ptr<const void> owner;

  bool defined() const { return view.data != nullptr; }
  int64_t rows() const { return view.rows; }
  int64_t cols() const { return view.cols; }
  // Bytes of values and scales.
  size_t bytes() const;
};

}  // namespace fathom
