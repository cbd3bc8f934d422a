#pragma once
// Row operations over Vec. Sums keep the 16 lanes and the tree of reference/rowwise.cc, products and sums its order and
// its rounding, so that results have its bits.

#include <limits>

#include "kernels/cpu/rowwise_exp-inl.h"
#include "kernels/cpu/rowwise_vec-inl.h"
#include "kernels/rowwise.h"

namespace fathom::kernels {
namespace {

inline float square_root(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }

float dot(const float* a, const float* b, int64_t n) noexcept {
  Vec sum = zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = fma(load(a + i), load(b + i), sum);
  if (i < n) {
    const Mask rest = first(n - i);
    // Lanes without a value keep theirs: adding zero could change the sign of a zero.
    sum = select(rest, fma(load(a + i, rest), load(b + i, rest), sum), sum);
  }
  return reduce(sum);
}

void rms_norm(const float* x, const float* weight, float eps, int64_t n, float* y) noexcept {
  const Vec scale = broadcast(1.0F / square_root(dot(x, x, n) / static_cast<float>(n) + eps));
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load(x + i) * scale * load(weight + i));
  if (i < n) {
    const Mask rest = first(n - i);
    store(y + i, load(x + i, rest) * scale * load(weight + i, rest), rest);
  }
}

float mean_of(const float* x, int64_t n) {
  Vec sum = zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = sum + load(x + i);
  if (i < n) {
    const Mask rest = first(n - i);
    sum = select(rest, sum + load(x + i, rest), sum);
  }
  return reduce(sum) / static_cast<float>(n);
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, int64_t n, float* y) noexcept {
  const Vec mean = broadcast(mean_of(x, n));
  const Mask rest = first(n % kLanes);
  const int64_t whole = n - n % kLanes;
  Vec squares = zero();
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec centred = load(x + i) - mean;
    squares = fma(centred, centred, squares);
  }
  const Vec centred_rest = load(x + whole, rest) - mean;
  squares = select(rest, fma(centred_rest, centred_rest, squares), squares);
  const Vec scale = broadcast(1.0F / square_root(reduce(squares) / static_cast<float>(n) + eps));
  for (int64_t i = 0; i < whole; i += kLanes) {
    store(y + i, fma((load(x + i) - mean) * scale, load(weight + i), load(bias + i)));
  }
  store(y + whole, fma(centred_rest * scale, load(weight + whole, rest), load(bias + whole, rest)), rest);
}

void add_scaled(const float* x, float factor, int64_t n, float* y) noexcept {
  const Vec by = broadcast(factor);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, fma(load(x + i), by, load(y + i)));
  if (i < n) {
    const Mask rest = first(n - i);
    store(y + i, fma(load(x + i, rest), by, load(y + i, rest)), rest);
  }
}

inline Vec silu_times(Vec gate, Vec up) { return gate / (broadcast(1.0F) + exp(zero() - gate)) * up; }

void silu_mul(const float* gate, const float* up, int64_t n, float* y) noexcept {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, silu_times(load(gate + i), load(up + i)));
  if (i < n) {
    const Mask rest = first(n - i);
    store(y + i, silu_times(load(gate + i, rest), load(up + i, rest)), rest);
  }
}

// (a, b) turned by the angle: products and sums rounded one by one, as the plain twin does.
inline Pairs rotated(Vec a, Vec b, Vec cos, Vec sin) { return {a * cos - b * sin, a * sin + b * cos}; }

void rope_interleaved(float* x, const float* cos, const float* sin, int64_t n) noexcept {
  const int64_t pairs = n / 2;
  int64_t i = 0;
  for (; i + kLanes <= pairs; i += kLanes) {
    const Pairs at = deinterleave(load(x + 2 * i), load(x + 2 * i + kLanes));
    const Pairs turned = rotated(at.even, at.odd, load(cos + i), load(sin + i));
    const Pairs in_memory = interleave(turned.even, turned.odd);
    store(x + 2 * i, in_memory.even);
    store(x + 2 * i + kLanes, in_memory.odd);
  }
  for (; i < pairs; ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    x[2 * i] = a * cos[i] - b * sin[i];
    x[2 * i + 1] = a * sin[i] + b * cos[i];
  }
}

void rope_halves(float* x, const float* cos, const float* sin, int64_t n) noexcept {
  const int64_t pairs = n / 2;
  float* upper = x + pairs;
  int64_t i = 0;
  for (; i + kLanes <= pairs; i += kLanes) {
    const Pairs turned = rotated(load(x + i), load(upper + i), load(cos + i), load(sin + i));
    store(x + i, turned.even);
    store(upper + i, turned.odd);
  }
  if (i < pairs) {
    const Mask rest = first(pairs - i);
    const Pairs turned = rotated(load(x + i, rest), load(upper + i, rest), load(cos + i, rest), load(sin + i, rest));
    store(x + i, turned.even, rest);
    store(upper + i, turned.odd, rest);
  }
}

template <typename Stored, Vec (*widened)(const Stored*)>
void widen_all(const void* x, float scale, int64_t n, float* y) {
  const auto* from = static_cast<const Stored*>(x);
  const Vec factor = broadcast(scale);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, widened(from + i) * factor);
  if (i < n) {
    Stored rest[kLanes] = {};
    __builtin_memcpy(rest, from + i, static_cast<size_t>(n - i) * sizeof(Stored));
    store(y + i, widened(rest) * factor, first(n - i));
  }
}

void widen(const void* x, DType dtype, float scale, int64_t n, float* y) noexcept {
  switch (dtype) {
    case DType::kF32:
      return widen_all<float, load>(x, scale, n, y);
    case DType::kBF16:
      return widen_all<bf16_t, widen_bf16>(x, scale, n, y);
    case DType::kF16:
      return widen_all<f16_t, widen_f16>(x, scale, n, y);
    case DType::kF8E4M3:
      return widen_all<f8_t, widen_f8e4m3>(x, scale, n, y);
    default:
      for (int64_t i = 0; i < n; ++i) y[i] = 0.0F * scale;
  }
}

void to_bf16(const float* x, int64_t n, bf16_t* y) noexcept {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_bf16(y + i, load(x + i));
  if (i < n) {
    bf16_t rest[kLanes];
    store_bf16(rest, load(x + i, first(n - i)));
    __builtin_memcpy(y + i, rest, static_cast<size_t>(n - i) * sizeof(bf16_t));
  }
}

float largest(const float* x, int64_t n) noexcept {
  constexpr float kLeast = -std::numeric_limits<float>::infinity();
  Vec most = broadcast(kLeast);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) most = max(most, load(x + i));
  if (i < n) {
    const Mask rest = first(n - i);
    most = select(rest, max(most, load(x + i, rest)), most);
  }
  float lanes[kLanes];
  store(lanes, most);
  float out = kLeast;
  for (const float lane : lanes) out = lane > out ? lane : out;
  return out;
}

float exp_sum(float* x, float less, int64_t n) noexcept {
  const Vec by = broadcast(less);
  Vec sum = zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vec e = exp(load(x + i) - by);
    store(x + i, e);
    sum = sum + e;
  }
  if (i < n) {
    const Mask rest = first(n - i);
    const Vec e = exp(load(x + i, rest) - by);
    store(x + i, e, rest);
    sum = select(rest, sum + e, sum);
  }
  return reduce(sum);
}

struct SiluGradient {
  Vec h, dgate, dup;
};

inline SiluGradient silu_gradient(Vec g, Vec u, Vec dh, Vec factor) {
  const Vec one = broadcast(1.0F);
  const Vec s = one / (one + exp(zero() - g));
  const Vec silu = g * s;
  const Vec d = factor * dh;
  return {factor * (silu * u), d * u * s * (one + g * (one - s)), d * silu};
}

void silu_mul_backward(const float* gate, const float* up, const float* dh, float factor, int64_t n, float* h,
                       float* dgate, float* dup) noexcept {
  const Vec by = broadcast(factor);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const SiluGradient g = silu_gradient(load(gate + i), load(up + i), load(dh + i), by);
    store(h + i, g.h);
    store(dgate + i, g.dgate);
    store(dup + i, g.dup);
  }
  if (i < n) {
    const Mask rest = first(n - i);
    const SiluGradient g = silu_gradient(load(gate + i, rest), load(up + i, rest), load(dh + i, rest), by);
    store(h + i, g.h, rest);
    store(dgate + i, g.dgate, rest);
    store(dup + i, g.dup, rest);
  }
}

void softmax_backward(const float* p, float mean, float scale, int64_t n, float* dp) noexcept {
  const Vec less = broadcast(mean);
  const Vec by = broadcast(scale);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(dp + i, load(p + i) * (load(dp + i) - less) * by);
  if (i < n) {
    const Mask rest = first(n - i);
    store(dp + i, load(p + i, rest) * (load(dp + i, rest) - less) * by, rest);
  }
}

void rms_norm_backward(const float* x, const float* weight, const float* dy, float scale, int64_t n,
                       float* dx) noexcept {
  Vec sum = zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = fma(load(x + i), load(weight + i) * load(dy + i), sum);
  const Mask rest = first(n - i);
  if (i < n) sum = select(rest, fma(load(x + i, rest), load(weight + i, rest) * load(dy + i, rest), sum), sum);
  const Vec by = broadcast(scale);
  const Vec back = broadcast(reduce(sum) * scale * scale * scale / static_cast<float>(n));
  for (i = 0; i + kLanes <= n; i += kLanes) {
    store(dx + i, load(dx + i) + (by * (load(weight + i) * load(dy + i)) - back * load(x + i)));
  }
  if (i < n) {
    const Vec step = by * (load(weight + i, rest) * load(dy + i, rest)) - back * load(x + i, rest);
    store(dx + i, load(dx + i, rest) + step, rest);
  }
}

void add_product(const float* a, const float* b, float factor, int64_t n, float* y) noexcept {
  const Vec by = broadcast(factor);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load(y + i) + load(a + i) * load(b + i) * by);
  if (i < n) {
    const Mask rest = first(n - i);
    store(y + i, load(y + i, rest) + load(a + i, rest) * load(b + i, rest) * by, rest);
  }
}

constexpr RowwiseKernels kRowwise = {
    rms_norm, layer_norm, add_scaled, silu_mul,          rope_interleaved, rope_halves,       widen,      to_bf16,
    dot,      largest,    exp_sum,    silu_mul_backward, softmax_backward, rms_norm_backward, add_product};

}  // namespace
}  // namespace fathom::kernels
