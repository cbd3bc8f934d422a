#pragma once
// What the tests of ops and of the engine share: a context of their own, random values, matrices in every format with
// their exact values. Nothing else includes this.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/random.h"
#include "ops/context.h"

namespace fathom::ops {

// Instruction set and arithmetic under test.
struct Setting {
  Isa isa;
  Compute compute;
};

inline std::vector<Setting> all_settings() {
  std::vector<Setting> out = {{Isa::kPlain, Compute::kF32}, {Isa::kPlain, Compute::kBF16}};
  if (best_isa() != Isa::kPlain) {
    out.push_back({best_isa(), Compute::kF32});
    out.push_back({best_isa(), Compute::kBF16});
  }
  return out;
}

inline std::ostream& operator<<(std::ostream& out, const Setting& s) {
  return out << isa_name(s.isa) << (s.compute == Compute::kF32 ? " F32" : " BF16");
}

inline std::string setting_name(const ::testing::TestParamInfo<Setting>& info) {
  return std::string(isa_name(info.param.isa)) + (info.param.compute == Compute::kF32 ? "_f32" : "_bf16");
}

// A context and what it points to.
struct Machine {
  explicit Machine(const Setting& setting, int threads = 1, MlaForm form = MlaForm::kAbsorbed)
      : team(threads), ctx{team, allocator, kernels::kernel_table(setting.isa), setting.compute, form} {}

  ThreadTeam team;
  CachingAllocator allocator;
  Context ctx;
};

// Normal values, a function of the seed.
inline Tensor random_tensor(Shape shape, uint64_t seed, double deviation = 1) {
  const Tensor out = Tensor::zeros(std::move(shape));
  const RandomStream random(seed, 77);
  for (int64_t i = 0; i < out.count(); ++i) {
    out.f32()[i] = static_cast<float>(random.normal(static_cast<uint64_t>(i)) * deviation);
  }
  return out;
}

inline Tensor copy_of(const Tensor& from) {
  const Tensor out = Tensor::zeros(from.shape(), from.dtype());
  std::memcpy(out.data<float>(), from.data<float>(), from.bytes());
  return out;
}

inline float to_bf16_and_back(float value) { return bf16_to_f32(f32_to_bf16(value)); }

// A random weight in a stored format.
class Matrix {
 public:
  Matrix(int64_t rows, int64_t cols, DType dtype, uint64_t seed, double deviation = 1)
      : dtype_(dtype),
        cols_(cols),
        bytes_(std::make_shared<std::vector<std::byte>>(static_cast<size_t>(rows * cols) * dtype_bytes(dtype) + 1)) {
    const Tensor values = random_tensor({rows, cols}, seed, deviation);
    for (int64_t i = 0; i < rows * cols; ++i) put(i, values.f32()[i]);
    weight_ = {.view = {.data = bytes_->data(), .dtype = dtype, .rows = rows, .cols = cols}, .owner = bytes_};
    if (dtype != DType::kF8E4M3) return;
    const int64_t blocks = ceil_div(rows, kScaleBlock) * ceil_div(cols, kScaleBlock);
    const RandomStream random(seed, 78);
    for (int64_t i = 0; i < blocks; ++i) {
      scales_.push_back(static_cast<float>(deviation * (0.01 + 0.02 * random.uniform(static_cast<uint64_t>(i)))));
    }
    weight_.view.scale_inv = scales_.data();
  }
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;

  const Weight& weight() const { return weight_; }
  // The value that the stored bytes mean; `compute` rounds F32 and F16 weights to BF16 where it says so.
  double at(int64_t row, int64_t col, Compute compute = Compute::kF32) const {
    const auto i = static_cast<size_t>(row * cols_ + col);
    const auto* data = bytes_->data();
    float value = 0;
    if (dtype_ == DType::kF32) value = reinterpret_cast<const float*>(data)[i];
    if (dtype_ == DType::kBF16) value = bf16_to_f32(reinterpret_cast<const bf16_t*>(data)[i]);
    if (dtype_ == DType::kF16) value = f16_to_f32(reinterpret_cast<const f16_t*>(data)[i]);
    if (dtype_ == DType::kF8E4M3) value = f8e4m3_to_f32(reinterpret_cast<const f8_t*>(data)[i]);
    if (compute == Compute::kBF16) value = to_bf16_and_back(value);
    return static_cast<double>(value) * weight_.view.scale(row, col / kScaleBlock);
  }

 private:
  void put(int64_t index, float value) {
    const auto i = static_cast<size_t>(index);
    auto* data = bytes_->data();
    if (dtype_ == DType::kF32) reinterpret_cast<float*>(data)[i] = value;
    if (dtype_ == DType::kBF16) reinterpret_cast<bf16_t*>(data)[i] = f32_to_bf16(value);
    if (dtype_ == DType::kF16) reinterpret_cast<f16_t*>(data)[i] = f32_to_f16(value);
    if (dtype_ == DType::kF8E4M3) reinterpret_cast<f8_t*>(data)[i] = f32_to_f8e4m3(value * 50);
  }

  DType dtype_;
  int64_t cols_;
  std::shared_ptr<std::vector<std::byte>> bytes_;
  std::vector<float> scales_;
  Weight weight_;
};

inline const std::vector<DType>& weight_formats() {
  static const std::vector<DType> formats = {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3};
  return formats;
}

inline ::testing::AssertionResult same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) {
    return ::testing::AssertionFailure() << "shapes " << shape_text(a.shape()) << " and " << shape_text(b.shape());
  }
  for (int64_t i = 0; i < a.count(); ++i) {
    if (std::memcmp(a.data<float>() + i, b.data<float>() + i, sizeof(float)) != 0) {
      return ::testing::AssertionFailure() << "at " << i << ": " << a.f32()[i] << " and " << b.f32()[i];
    }
  }
  return ::testing::AssertionSuccess();
}

// Largest difference as a share of the largest expected magnitude.
inline double relative_error(const Tensor& got, const std::vector<double>& expected) {
  EXPECT_EQ(got.count(), static_cast<int64_t>(expected.size()));
  double most = 1e-30;
  double off = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    most = std::max(most, std::fabs(expected[i]));
    const double difference = std::fabs(got.f32()[i] - expected[i]);
    off = std::isnan(difference) ? INFINITY : std::max(off, difference);
  }
  return off / most;
}

}  // namespace fathom::ops
