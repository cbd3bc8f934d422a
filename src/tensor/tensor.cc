#include "tensor/tensor.h"

#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace fathom {

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

std::string shape_text(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Tensor Tensor::empty(CachingAllocator& allocator, Shape shape, DType dtype) {
  Tensor out;
  out.dtype_ = dtype;
  out.shape_ = std::move(shape);
  out.storage_ = allocator.allocate(out.bytes());
  return out;
}

Tensor Tensor::zeros(Shape shape, DType dtype) {
  Tensor out;
  out.dtype_ = dtype;
  out.shape_ = std::move(shape);
  const size_t bytes = round_up(static_cast<int64_t>(out.bytes()) + 1, 64);
  auto* block = static_cast<std::byte*>(std::aligned_alloc(64, bytes));
  if (block == nullptr) fail(ErrorCode::kResource, "memory", "cannot allocate {} bytes", bytes);
  std::memset(block, 0, bytes);
  out.storage_ = {block, [](std::byte* done) { std::free(done); }};
  return out;
}

Tensor Tensor::of(Shape shape, std::vector<float> values) {
  Tensor out = zeros(std::move(shape));
  FATHOM_CHECK_MSG(out.count() == static_cast<int64_t>(values.size()), "{} values for {}", values.size(),
                   shape_text(out.shape_));
  if (!values.empty()) std::memcpy(out.storage_.get(), values.data(), out.bytes());
  return out;
}

Tensor Tensor::of(Shape shape, std::vector<int32_t> values) {
  Tensor out = zeros(std::move(shape), DType::kI32);
  FATHOM_CHECK_MSG(out.count() == static_cast<int64_t>(values.size()), "{} values for {}", values.size(),
                   shape_text(out.shape_));
  if (!values.empty()) std::memcpy(out.storage_.get(), values.data(), out.bytes());
  return out;
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  FATHOM_CHECK_MSG(0 <= begin && begin <= end && end <= shape_[0], "rows [{}, {}) of {}", begin, end,
                   shape_text(shape_));
  Tensor out = *this;
  out.shape_[0] = end - begin;
  const int64_t row_bytes = shape_[0] == 0 ? 0 : static_cast<int64_t>(bytes()) / shape_[0];
  out.storage_ = std::shared_ptr<std::byte>(storage_, storage_.get() + begin * row_bytes);
  return out;
}

size_t Weight::bytes() const {
  const size_t values = static_cast<size_t>(view.rows * view.cols) * dtype_bytes(view.dtype);
  const size_t scales =
      view.scale_inv == nullptr ? 0 : static_cast<size_t>(ceil_div(view.rows, kScaleBlock) * view.scale_cols()) * 4;
  return values + scales;
}

}  // namespace fathom
