// Allocator, tensors, matrix views.

#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <thread>

#include "base/error.h"

namespace fathom {
namespace {

TEST(CachingAllocator, AlignsAndReuses) {
  CachingAllocator allocator;
  const std::byte* first = nullptr;
  {
    const auto block = allocator.allocate(1000);
    first = block.get();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0U);
    EXPECT_NE(allocator.allocate(1000).get(), first) << "in use";
  }
  const auto again = allocator.allocate(990);
  const auto other = allocator.allocate(1010);
  EXPECT_TRUE(again.get() == first || other.get() == first) << "sizes of one class share blocks";
}

TEST(CachingAllocator, CountsBytes) {
  CachingAllocator allocator;
  EXPECT_EQ(allocator.in_use_bytes(), 0U);
  auto a = allocator.allocate(1 << 20);
  auto b = allocator.allocate(1 << 10);
  EXPECT_EQ(allocator.in_use_bytes(), (1U << 20) + (1U << 10));
  a.reset();
  EXPECT_EQ(allocator.in_use_bytes(), 1U << 10);
  EXPECT_EQ(allocator.peak_bytes(), (1U << 20) + (1U << 10));
  allocator.trim();
  EXPECT_EQ(allocator.in_use_bytes(), 1U << 10);
  b.reset();
  EXPECT_EQ(allocator.in_use_bytes(), 0U);
}

TEST(CachingAllocator, WastesLittle) {
  for (const size_t bytes : {0, 1, 63, 64, 65, 513, 1000, 4097, 100000, 1234567}) {
    CachingAllocator allocator;
    const auto block = allocator.allocate(bytes);
    EXPECT_GE(allocator.in_use_bytes(), bytes);
    EXPECT_LE(static_cast<double>(allocator.in_use_bytes()), 1.125 * static_cast<double>(bytes) + 64) << bytes;
    std::fill_n(block.get(), bytes, std::byte{1});
  }
}

TEST(CachingAllocator, FailsAsAnErrorAndCountsOn) {
  CachingAllocator allocator;
  const auto kept = allocator.allocate(100);
  const size_t before = allocator.in_use_bytes();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // whose allocators end the process
  EXPECT_THROW(allocator.allocate(size_t{1} << 60), Error);
#endif
  EXPECT_EQ(allocator.in_use_bytes(), before);
  // Sizes that wrap when they are rounded up must not become small ones.
  EXPECT_THROW(allocator.allocate(std::numeric_limits<size_t>::max()), Error);
  EXPECT_THROW(allocator.allocate(std::numeric_limits<size_t>::max() - 1000), Error);
  EXPECT_EQ(allocator.in_use_bytes(), before);
  EXPECT_EQ(allocator.peak_bytes(), before) << "what was never had is no peak";
}

TEST(CachingAllocator, ServesThreads) {
  CachingAllocator allocator;
  std::vector<std::thread> threads;
  for (int id = 0; id < 4; ++id) {
    threads.emplace_back([&allocator, id] {
      for (size_t i = 0; i < 500; ++i) {
        const auto block = allocator.allocate(64 + i * 97 % 5000);
        std::fill_n(block.get(), 64, static_cast<std::byte>(id));
        for (size_t k = 0; k < 64; ++k) ASSERT_EQ(block.get()[k], static_cast<std::byte>(id));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(allocator.in_use_bytes(), 0U);
}

TEST(Tensor, HandlesShareStorage) {
  const Tensor a = Tensor::of({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  const Tensor b = a;
  b.f32()[4] = 9;
  EXPECT_EQ(a.row(1)[1], 9);
  EXPECT_EQ(a.count(), 6);
  EXPECT_EQ(a.bytes(), 24U);
  EXPECT_EQ(shape_text(a.shape()), "[2, 3]");
  EXPECT_FALSE(Tensor().defined());
}

TEST(Tensor, RowsAreViewsThatKeepTheStorage) {
  CachingAllocator allocator;
  Tensor middle;
  {
    const Tensor all = Tensor::empty(allocator, {5, 2}, DType::kI32);
    for (int32_t i = 0; i < 10; ++i) all.i32()[i] = i;
    middle = all.rows(1, 4);
  }
  EXPECT_GT(allocator.in_use_bytes(), 0U);
  EXPECT_EQ(middle.shape(), (Shape{3, 2}));
  EXPECT_EQ(middle.i32()[0], 2);
  EXPECT_EQ(middle.rows(2, 3).i32()[1], 7);
  EXPECT_EQ(middle.rows(3, 3).count(), 0);
  const Tensor bytes = Tensor::zeros({4, 3, 5}, DType::kU8).rows(2, 4);
  EXPECT_EQ(bytes.shape(), (Shape{2, 3, 5}));
  EXPECT_EQ(bytes.bytes(), 30U);
  middle = Tensor();
  EXPECT_EQ(allocator.in_use_bytes(), 0U);
}

TEST(Tensor, ZerosAndEmptySizes) {
  const Tensor zeros = Tensor::zeros({7, 9}, DType::kBF16);
  for (int64_t i = 0; i < zeros.count(); ++i) EXPECT_EQ(zeros.data<bf16_t>()[i], 0);
  const Tensor none = Tensor::zeros({0, 9});
  EXPECT_TRUE(none.defined());
  EXPECT_EQ(none.count(), 0);
  EXPECT_EQ(none.rows(0, 0).count(), 0);
  EXPECT_EQ(Tensor::of({2}, std::vector<int32_t>{3, 4}).i32()[1], 4);
  EXPECT_EQ(element_count({}), 1);
}

TEST(MatrixView, FindsRowsAndScales) {
  const std::vector<f8_t> values(static_cast<size_t>(200 * 300));
  const std::vector<float> scales = {1, 2, 3, 4, 5, 6};
  const MatrixView view{
      .data = values.data(), .dtype = DType::kF8E4M3, .rows = 200, .cols = 300, .scale_inv = scales.data()};
  EXPECT_EQ(view.scale_cols(), 3);
  EXPECT_EQ(view.scale(127, 2), 3);
  EXPECT_EQ(view.scale(128, 0), 4);
  EXPECT_EQ(view.row(5), values.data() + 1500);
  const Weight weight{.view = view, .owner = {}};
  EXPECT_EQ(weight.bytes(), 60000U + 24);
  EXPECT_TRUE(weight.defined());
  EXPECT_FALSE(Weight{}.defined());
  const MatrixView plain{.data = values.data(), .dtype = DType::kF32, .rows = 10, .cols = 20};
  EXPECT_EQ(plain.scale(9, 0), 1);
}

}  // namespace
}  // namespace fathom
