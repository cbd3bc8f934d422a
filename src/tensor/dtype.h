#pragma once
// Element types as checkpoints store them, and their exact conversions, one value at a time. Kernels have faster ways
// to do the same; these are what they are compared with.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace fathom {

enum class DType : uint8_t { kF32, kBF16, kF16, kF8E4M3, kI32, kI64, kF64, kU8 };

constexpr size_t dtype_bytes(DType type) {
  switch (type) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBF16:
    case DType::kF16:
      return 2;
    case DType::kF8E4M3:
    case DType::kU8:
      return 1;
  }
  return 0;
}

// The spelling of safetensors: "F32", "BF16", "F8_E4M3".
constexpr std::string_view dtype_name(DType type) {
  switch (type) {
    case DType::kF32:
      return "F32";
    case DType::kBF16:
      return "BF16";
    case DType::kF16:
      return "F16";
    case DType::kF8E4M3:
      return "F8_E4M3";
    case DType::kI32:
      return "I32";
    case DType::kI64:
      return "I64";
    case DType::kF64:
      return "F64";
    case DType::kU8:
      return "U8";
  }
  return "?";
}

constexpr std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DType type :
       {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3, DType::kI32, DType::kI64, DType::kF64, DType::kU8}) {
    if (name == dtype_name(type)) return type;
  }
  return std::nullopt;
}

using bf16_t = uint16_t;
using f16_t = uint16_t;
using f8_t = uint8_t;

inline float bf16_to_f32(bf16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// To nearest, ties to even; NaN stays NaN.
inline bf16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<bf16_t>((bits >> 16) | 0x40);
  return static_cast<bf16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

inline float f16_to_f32(f16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t magnitude = bits & 0x7FFF;
  if (magnitude >= 0x7C00) return std::bit_cast<float>(sign | 0x7F800000 | (magnitude & 0x3FF) << 13);
  // The exponent is rebased by a multiplication, which also makes subnormals normal.
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112F;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled));
}

// To nearest, ties to even; overflow to infinity.
inline f16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<f16_t>((bits >> 16) & 0x8000);
  const float magnitude = std::fabs(value);
  if (!(magnitude < 65520.0F)) return static_cast<f16_t>(sign | (std::isnan(value) ? 0x7E00 : 0x7C00));
  // The grid of the result: 2^-24 for subnormals, 10 bits below the leading one else.
  const int exponent = magnitude < 0x1p-14F ? -14 : static_cast<int>((bits >> 23) & 0xFF) - 127;
  const float steps = std::nearbyint(std::ldexp(magnitude, 10 - exponent));
  const auto whole = static_cast<uint32_t>(steps);
  const uint32_t base = exponent == -14 ? 0 : static_cast<uint32_t>(exponent + 14) << 10;
  return static_cast<f16_t>(sign | (base + whole));
}

// OCP FP8 E4M3 (the "fn" form): bias 7, no infinity, 0x7F and 0xFF are NaN, largest 448.
inline float f8e4m3_to_f32(f8_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x80) << 24;
  if ((bits & 0x7F) == 0x7F) return std::numeric_limits<float>::quiet_NaN();
  const float scaled = std::bit_cast<float>(static_cast<uint32_t>(bits & 0x7F) << 20) * 0x1p120F;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled));
}

// To nearest, ties to even; saturates at 448; NaN gives 0x7F.
inline f8_t f32_to_f8e4m3(float value) {
  if (std::isnan(value)) return 0x7F;
  const auto sign = static_cast<f8_t>(std::signbit(value) ? 0x80 : 0);
  const float magnitude = std::fabs(value);
  if (magnitude >= 448.0F) return static_cast<f8_t>(sign | 0x7E);
  const int leading = magnitude < 0x1p-6F ? -6 : std::ilogb(magnitude);
  const auto steps = static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, 3 - leading)));
  const uint32_t base = leading == -6 ? 0 : static_cast<uint32_t>(leading + 6) << 3;
  return static_cast<f8_t>(sign | (base + steps));
}

}  // namespace fathom
