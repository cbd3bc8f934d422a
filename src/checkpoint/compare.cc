#include "checkpoint/compare.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fathom::checkpoint {
namespace {

constexpr std::string_view kIds = "topk_ids";
constexpr std::string_view kWeights = "topk_weights";

Shape index_of(int64_t flat, const Shape& shape) {
  Shape out(shape.size());
  for (size_t axis = shape.size(); axis-- > 0;) {
    out[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return out;
}

// The columns of each row in the order of their ids.
std::vector<int64_t> order_by_id(const Tensor& ids) {
  const int64_t width = ids.dim(1);
  std::vector<int64_t> order(static_cast<size_t>(ids.count()));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t row = 0; row < ids.dim(0); ++row) {
    std::sort(order.begin() + row * width, order.begin() + (row + 1) * width,
              [&](int64_t x, int64_t y) { return ids.i32()[x] < ids.i32()[y]; });
  }
  return order;
}

std::vector<int64_t> order_of(const SafetensorsFile& file, const TensorEntry& entry) {
  std::vector<int64_t> order(static_cast<size_t>(element_count(entry.shape)));
  std::iota(order.begin(), order.end(), 0);
  std::string ids = entry.name;
  if (ids.ends_with(kWeights)) ids.replace(ids.size() - kWeights.size(), kWeights.size(), kIds);
  const TensorEntry* found = ids.ends_with(kIds) ? file.find(ids) : nullptr;
  const bool is_usable =
      found != nullptr && found->dtype == DType::kI32 && found->shape == entry.shape && entry.shape.size() == 2;
  return is_usable ? order_by_id(read_tensor(file, *found)) : order;
}

void measure(const Tensor& a, const std::vector<int64_t>& order_a, const Tensor& b, const std::vector<int64_t>& order_b,
             Difference& out) {
  double sum = 0, squares = 0, difference_squares = 0;
  int64_t largest = 0;
  for (size_t i = 0; i < order_a.size(); ++i) {
    const double x = a.f32()[order_a[i]];
    const double y = b.f32()[order_b[i]];
    if (std::isnan(x) != std::isnan(y)) {
      out.problem = "NaN in one of the two";
      out.where = index_of(order_a[i], a.shape());
      return;
    }
    if (std::isnan(x) || x == y) {
      sum += std::isnan(x) ? 0 : x;
      squares += std::isnan(x) ? 0 : x * x;
      continue;
    }
    sum += x;
    squares += x * x;
    difference_squares += (x - y) * (x - y);
    if (!(std::fabs(x - y) <= out.max_absolute)) {
      out.max_absolute = std::fabs(x - y);
      largest = order_a[i];
    }
  }
  const double n = std::max<double>(1, static_cast<double>(order_a.size()));
  const double deviation = std::sqrt(std::max(0.0, squares / n - (sum / n) * (sum / n)));
  out.max_relative = out.max_absolute == 0 ? 0 : out.max_absolute / (deviation > 0 ? deviation : 1);
  out.rms = std::sqrt(difference_squares / n);
  out.where = index_of(largest, a.shape());
}

Difference compare_tensor(const SafetensorsFile& file_a, const TensorEntry& a, const SafetensorsFile& file_b,
                          const TensorEntry& b) {
  Difference out;
  out.name = a.name;
  out.is_integer = a.dtype == DType::kI32;
  if (a.shape != b.shape || (a.dtype == DType::kI32) != (b.dtype == DType::kI32)) {
    out.problem = fmt::format("{} {} against {} {}", dtype_name(a.dtype), shape_text(a.shape), dtype_name(b.dtype),
                              shape_text(b.shape));
    return out;
  }
  const Tensor values_a = read_tensor(file_a, a);
  const Tensor values_b = read_tensor(file_b, b);
  const auto order_a = order_of(file_a, a);
  const auto order_b = order_of(file_b, b);
  if (!out.is_integer) {
    measure(values_a, order_a, values_b, order_b, out);
    return out;
  }
  for (size_t i = order_a.size(); i-- > 0;) {
    if (values_a.i32()[order_a[i]] == values_b.i32()[order_b[i]]) continue;
    ++out.mismatches;
    out.where = index_of(order_a[i], a.shape);
  }
  return out;
}

}  // namespace

Comparison compare(const SafetensorsFile& a, const SafetensorsFile& b) {
  Comparison out;
  for (const TensorEntry& entry : a.tensors()) {
    const TensorEntry* other = b.find(entry.name);
    if (other == nullptr) {
      out.only_in_a.push_back(entry.name);
    } else {
      out.both.push_back(compare_tensor(a, entry, b, *other));
    }
  }
  for (const TensorEntry& entry : b.tensors()) {
    if (a.find(entry.name) == nullptr) out.only_in_b.push_back(entry.name);
  }
  return out;
}

}  // namespace fathom::checkpoint
