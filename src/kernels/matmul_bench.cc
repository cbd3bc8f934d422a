// Products on the shapes of DeepSeek-V2-Lite: every instruction set of this machine, every format, few and many tokens,
// beside oneDNN on the same shapes. Weights come from a pool larger than the caches, as they do in a model.
//
// Names: linear/ISA/ARITHMETIC/FORMAT/m/n/k. Counters: FLOP/s, and bytes of weights per second.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "kernels/kernels.h"

namespace fathom::kernels {
namespace {

constexpr size_t kPoolBytes = size_t{512} << 20;

struct Shape {
  int64_t n;
  int64_t k;
};
// Gate or up and down of an expert, q_proj, kv_b_proj, the dense layer's gate.
constexpr Shape kShapes[] = {{1408, 2048}, {2048, 1408}, {3072, 2048}, {4096, 512}, {10944, 2048}};
constexpr int64_t kTokens[] = {1, 16, 48, 512};

std::shared_ptr<void> aligned(size_t bytes) {
  return {std::aligned_alloc(64, (bytes + 63) / 64 * 64), &std::free};
}

// Bytes that are ordinary numbers in every format.
void* pool() {
  static const std::shared_ptr<void> memory = [] {
    auto out = aligned(kPoolBytes);
    auto* bytes = static_cast<uint8_t*>(out.get());
    for (size_t i = 0; i < kPoolBytes; ++i) bytes[i] = static_cast<uint8_t>(0x30 + i * 7 % 13);
    return out;
  }();
  return memory.get();
}

void count(benchmark::State& state, int64_t m, Shape shape, size_t weight_bytes) {
  const double runs = static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["flops"] =
      Counter(2.0 * static_cast<double>(m * shape.n * shape.k) * runs, Counter::kIsRate, Counter::kIs1000);
  state.counters["weight_bytes"] =
      Counter(static_cast<double>(weight_bytes) * runs, Counter::kIsRate, Counter::kIs1000);
}

void linear(benchmark::State& state, Isa isa, Compute compute, DType dtype, int64_t m, Shape shape) {
  const MatmulKernels& matmul = kernel_table(isa).matmul[static_cast<int>(compute)];
  const auto [n, k] = shape;
  const std::vector<float> x(static_cast<size_t>(m * k), 0.5F);
  const std::vector<float> scales(static_cast<size_t>(ceil_div(n, kScaleBlock) * ceil_div(k, kScaleBlock)), 0.25F);
  std::vector<float> y(static_cast<size_t>(m * n));
  const auto packed = aligned(matmul.packed_bytes(m, k));
  const size_t bytes = static_cast<size_t>(n * k) * dtype_bytes(dtype);
  const size_t copies = kPoolBytes / bytes;
  size_t copy = 0;
  const int64_t grain = m > 16 ? 64 : 256;  // as ops/ cut it
  for (auto _ : state) {
    matmul.pack({.x = x.data(), .x_stride = k, .m = m, .k = k, .k_begin = 0, .k_end = k, .packed = packed.get()});
    const MatrixView w = {.data = static_cast<const char*>(pool()) + copy++ % copies * bytes,
                          .dtype = dtype,
                          .rows = n,
                          .cols = k,
                          .scale_inv = dtype == DType::kF8E4M3 ? scales.data() : nullptr};
    for (int64_t begin = 0; begin < n; begin += grain) {
      matmul.linear({.packed_x = packed.get(),
                     .m = m,
                     .w = w,
                     .n_begin = begin,
                     .n_end = std::min(n, begin + grain),
                     .y = y.data() + begin,
                     .y_stride = n});
    }
  }
  count(state, m, shape, bytes);
}

void one_dnn(benchmark::State& state, bool is_bf16, int64_t m, Shape shape) {
  using dnnl::memory;
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto type = is_bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const memory::dims x_dims = {m, shape.k};
  const memory::dims w_dims = {shape.k, shape.n};
  // Weights in the layout that the library likes best, turned into it beforehand.
  const dnnl::matmul::primitive_desc made(
      dnnl::matmul::desc(memory::desc(x_dims, type, memory::format_tag::ab),
                         memory::desc(w_dims, type, memory::format_tag::any),
                         memory::desc({m, shape.n}, memory::data_type::f32, memory::format_tag::ab)),
      engine);
  const dnnl::matmul matmul(made);
  memory x(made.src_desc(), engine);
  memory y(made.dst_desc(), engine);
  const size_t bytes = made.weights_desc().get_size();
  const size_t copies = kPoolBytes / bytes;
  size_t copy = 0;
  memory w(made.weights_desc(), engine, pool());
  for (auto _ : state) {
    w.set_data_handle(static_cast<char*>(pool()) + copy++ % copies * bytes);
    matmul.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}});
    stream.wait();
  }
  count(state, m, shape, bytes);
}

void add_all() {
  for (const Shape shape : kShapes) {
    for (const int64_t m : kTokens) {
      const std::string size = fmt::format("{}/{}/{}", m, shape.n, shape.k);
      for (const bool is_bf16 : {false, true}) {
        benchmark::RegisterBenchmark(fmt::format("onednn/{}/{}", is_bf16 ? "bf16" : "f32", size).c_str(),
                                     [=](benchmark::State& state) { one_dnn(state, is_bf16, m, shape); });
      }
      for (const Isa isa : {Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx}) {
        if (isa > best_isa()) continue;
        for (const Compute compute : {Compute::kF32, Compute::kBF16}) {
          for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3}) {
            const std::string name = fmt::format("linear/{}/{}/{}/{}", isa_name(isa),
                                                 compute == Compute::kF32 ? "f32" : "bf16", dtype_name(dtype), size);
            benchmark::RegisterBenchmark(
                name.c_str(), [=](benchmark::State& state) { linear(state, isa, compute, dtype, m, shape); });
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace fathom::kernels

int main(int argc, char** argv) {
  fathom::kernels::add_all();
  fathom::kernels::pool();  // filled outside of any timing
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
