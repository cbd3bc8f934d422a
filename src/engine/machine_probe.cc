#include "engine/machine_probe.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "ops/linear.h"

namespace fathom::engine {
namespace {

constexpr int64_t kBufferWords = int64_t{1} << 27;  // 1 GiB of 64-bit words: four times the largest cache in the field
constexpr int64_t kGrainWords = 1 << 18;
constexpr int kPasses = 3;
constexpr int64_t kGemmSide = 2048;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Eight running sums, so that additions do not wait for each other and the loads set the pace.
uint64_t sum_words(const uint64_t* words, int64_t count) {
  uint64_t sums[8] = {};
  for (int64_t i = 0; i + 8 <= count; i += 8) {
    for (int lane = 0; lane < 8; ++lane) sums[lane] += words[i + lane];
  }
  uint64_t sum = 0;
  for (const uint64_t lane : sums) sum += lane;
  return sum;
}

}  // namespace

MemoryProbe::MemoryProbe(ThreadTeam& team)
    : team_(team), memory_(allocator_.allocate(static_cast<size_t>(kBufferWords) * sizeof(uint64_t))) {
  auto* words = reinterpret_cast<uint64_t*>(memory_.get());
  team.run([&](int member) {
    const Share share = share_of(kBufferWords, kGrainWords, member, team.size());
    std::fill(words + share.begin, words + share.end, uint64_t{1});
  });
}

double MemoryProbe::read_bandwidth() {
  const auto* words = reinterpret_cast<const uint64_t*>(memory_.get());
  double best = 0;
  std::vector<uint64_t> sums(static_cast<size_t>(team_.size()) * 8);
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    team_.run([&](int member) {
      const Share share = share_of(kBufferWords, kGrainWords, member, team_.size());
      sums[static_cast<size_t>(member) * 8] = sum_words(words + share.begin, share.end - share.begin);
    });
    best = std::max(best, static_cast<double>(kBufferWords) * sizeof(uint64_t) / seconds_since(start));
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  FATHOM_CHECK(sum == static_cast<uint64_t>(kBufferWords));
  return best;
}

double measure_gemm_rate(const ops::Context& ctx) {
  const DType dtype = ctx.compute == ops::Compute::kF32 ? DType::kF32 : DType::kBF16;
  const Tensor x = Tensor::zeros({kGemmSide, kGemmSide});
  const Tensor w = Tensor::zeros({kGemmSide, kGemmSide}, dtype);
  const Weight weight{.view = {.data = dtype == DType::kF32 ? static_cast<const void*>(w.data<float>())
                                                            : static_cast<const void*>(w.data<bf16_t>()),
                               .dtype = dtype,
                               .rows = kGemmSide,
                               .cols = kGemmSide},
                      .owner = {}};
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    ops::linear(ctx, x, weight);
    best = std::max(best, 2.0 * kGemmSide * kGemmSide * kGemmSide / seconds_since(start));
  }
  return best;
}

}  // namespace fathom::engine
