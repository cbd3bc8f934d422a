#pragma once
// exp over a vector, with the same bits on every instruction set.

#include "kernels/cpu/rowwise_vec-inl.h"

namespace fathom::kernels {
namespace {

// e^x within about 1 ulp (rowwise_test bounds it through silu_mul); 0 for -inf, inf from 88.73 on, NaN for NaN.
//
// x = n ln 2 + r with |r| <= ln 2 / 2, then e^x = 2^n (1 + r + r^2 q(r)). q interpolates at the Chebyshev nodes of that
// range, where its degree 4 leaves 2e-9.
inline Vec exp(Vec x) {
  // Beyond these the result is 0 and inf for certain. The order of operands keeps NaN.
  x = min(broadcast(90.0F), max(broadcast(-105.0F), x));
  // Adding 1.5 * 2^23 leaves no bits for a fraction: rounds to a whole number.
  const Vec rounder = broadcast(0x1.8p23F);
  const Vec n = fma(x, broadcast(1.44269504F), rounder) - rounder;
  // ln 2 in two parts: n times the first is exact inside the fused operation.
  const Vec r = fma(n, broadcast(1.90465421e-9F), fma(n, broadcast(-0.693147182F), x));
  Vec q = fma(r, broadcast(0.00139265507F), broadcast(0.0083634723F));
  q = fma(q, r, broadcast(0.0416665524F));
  q = fma(q, r, broadcast(0.166665748F));
  q = fma(q, r, broadcast(0.5F));
  const Vec p = fma(q, r * r, r) + broadcast(1.0F);
  return scale_by_power(p, n);
}

}  // namespace
}  // namespace fathom::kernels
