// Plain row operations. The 16 lanes of the sums are written out, because the other instruction sets keep the same
// order and give the same bits.

#include "kernels/rowwise.h"

#include <cmath>
#include <limits>

#include "kernels/reference/reference.h"

namespace fathom::kernels::reference {
namespace {

constexpr int kLanes = 16;

// The fixed tree: lane i takes lane i + half, until one is left.
float reduce(float (&lanes)[kLanes]) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

float dot(const float* a, const float* b, int64_t n) noexcept {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i % kLanes] = std::fma(a[i], b[i], lanes[i % kLanes]);
  return reduce(lanes);
}

float sum(const float* x, int64_t n) {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i % kLanes] += x[i];
  return reduce(lanes);
}

void rms_norm(const float* x, const float* weight, float eps, int64_t n, float* y) noexcept {
  const float scale = 1.0F / std::sqrt(dot(x, x, n) / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scale * weight[i];
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, int64_t n, float* y) noexcept {
  const float mean = sum(x, n) / static_cast<float>(n);
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) {
    const float centred = x[i] - mean;
    lanes[i % kLanes] = std::fma(centred, centred, lanes[i % kLanes]);
  }
  const float scale = 1.0F / std::sqrt(reduce(lanes) / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) y[i] = std::fma((x[i] - mean) * scale, weight[i], bias[i]);
}

void add_scaled(const float* x, float factor, int64_t n, float* y) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] = std::fma(x[i], factor, y[i]);
}

void silu_mul(const float* gate, const float* up, int64_t n, float* y) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] = gate[i] / (1.0F + std::exp(-gate[i])) * up[i];
}

void rope_interleaved(float* x, const float* cos, const float* sin, int64_t n) noexcept {
  for (int64_t i = 0; i < n / 2; ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    x[2 * i] = a * cos[i] - b * sin[i];
    x[2 * i + 1] = a * sin[i] + b * cos[i];
  }
}

void rope_halves(float* x, const float* cos, const float* sin, int64_t n) noexcept {
  for (int64_t i = 0; i < n / 2; ++i) {
    const float a = x[i];
    const float b = x[i + n / 2];
    x[i] = a * cos[i] - b * sin[i];
    x[i + n / 2] = a * sin[i] + b * cos[i];
  }
}

void widen(const void* x, DType dtype, float scale, int64_t n, float* y) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] = stored_value(x, dtype, i) * scale;
}

void to_bf16(const float* x, int64_t n, bf16_t* y) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] = f32_to_bf16(x[i]);
}

float largest(const float* x, int64_t n) noexcept {
  float most = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < n; ++i) most = x[i] > most ? x[i] : most;
  return most;
}

float exp_sum(float* x, float less, int64_t n) noexcept {
  for (int64_t i = 0; i < n; ++i) x[i] = std::exp(x[i] - less);
  return sum(x, n);
}

// d silu(g) / dg = s (1 + g (1 - s)), s = sigmoid(g).
void silu_mul_backward(const float* gate, const float* up, const float* dh, float factor, int64_t n, float* h,
                       float* dgate, float* dup) noexcept {
  for (int64_t i = 0; i < n; ++i) {
    const float s = 1.0F / (1.0F + std::exp(-gate[i]));
    const float d = factor * dh[i];
    h[i] = factor * (gate[i] * s * up[i]);
    dgate[i] = d * up[i] * s * (1.0F + gate[i] * (1.0F - s));
    dup[i] = d * (gate[i] * s);
  }
}

void softmax_backward(const float* p, float mean, float scale, int64_t n, float* dp) noexcept {
  for (int64_t i = 0; i < n; ++i) dp[i] = p[i] * (dp[i] - mean) * scale;
}

void rms_norm_backward(const float* x, const float* weight, const float* dy, float scale, int64_t n,
                       float* dx) noexcept {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i % kLanes] = std::fma(x[i], weight[i] * dy[i], lanes[i % kLanes]);
  const float back = reduce(lanes) * scale * scale * scale / static_cast<float>(n);
  for (int64_t i = 0; i < n; ++i) dx[i] = dx[i] + (scale * (weight[i] * dy[i]) - back * x[i]);
}

void add_product(const float* a, const float* b, float factor, int64_t n, float* y) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] = y[i] + a[i] * b[i] * factor;
}

}  // namespace

RowwiseKernels rowwise_kernels() {
  return {rms_norm, layer_norm, add_scaled, silu_mul,          rope_interleaved, rope_halves,       widen,      to_bf16,
          dot,      largest,    exp_sum,    silu_mul_backward, softmax_backward, rms_norm_backward, add_product};
}

}  // namespace fathom::kernels::reference
