// Conversions against slow formulas written from the formats' definitions, for every bit pattern, and against the
// golden vectors.

#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"

namespace fathom {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// A small floating-point format: sign, `exponent` bits, `mantissa` bits, IEEE or (fn) without infinities.
struct Format {
  int exponent;
  int mantissa;
  bool is_fn;

  uint32_t magnitudes() const { return 1U << (exponent + mantissa); }
  double value(uint32_t bits) const {
    const uint32_t field = (bits >> mantissa) & ((1U << exponent) - 1);
    const uint32_t fraction = bits & ((1U << mantissa) - 1);
    const uint32_t top = (1U << exponent) - 1;
    const int bias = (1 << (exponent - 1)) - 1;
    const double sign = (bits >> (exponent + mantissa)) & 1 ? -1.0 : 1.0;
    const bool is_nan = is_fn ? field == top && fraction == (1U << mantissa) - 1 : field == top && fraction != 0;
    if (is_nan) return std::numeric_limits<double>::quiet_NaN();
    if (!is_fn && field == top) return sign * kInf;
    if (field == 0) return sign * std::ldexp(fraction, 1 - bias - mantissa);
    return sign * std::ldexp((1U << mantissa) + fraction, static_cast<int>(field) - bias - mantissa);
  }
  // The largest finite magnitude.
  uint32_t largest() const {
    uint32_t bits = magnitudes() - 1;
    while (!std::isfinite(value(bits))) --bits;
    return bits;
  }
};

constexpr Format kBf16 = {8, 7, false};
constexpr Format kF16 = {5, 10, false};
constexpr Format kF8 = {4, 3, true};

template <typename Bits>
void check_decode(const Format& format, float (*decode)(Bits)) {
  for (uint32_t bits = 0; bits < 2 * format.magnitudes(); ++bits) {
    const double expected = format.value(bits);
    const float got = decode(static_cast<Bits>(bits));
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(got)) << bits;
    } else {
      ASSERT_EQ(static_cast<double>(got), expected) << bits;
      ASSERT_EQ(std::signbit(got), std::signbit(expected)) << bits;
    }
  }
}

TEST(Decode, EveryBf16) { check_decode(kBf16, bf16_to_f32); }
TEST(Decode, EveryF16) { check_decode(kF16, f16_to_f32); }
TEST(Decode, EveryF8) { check_decode(kF8, f8e4m3_to_f32); }

// Every value, every midpoint of neighbours (which goes to the even one) and the floats around it, in both signs.
template <typename Bits>
void check_encode(const Format& format, Bits (*encode)(float)) {
  const uint32_t sign_bit = format.magnitudes();
  for (const uint32_t sign : {0U, sign_bit}) {
    const float unit = sign == 0 ? 1.0F : -1.0F;
    for (uint32_t bits = 0; bits <= format.largest(); ++bits) {
      const auto exact = static_cast<float>(format.value(bits));
      ASSERT_EQ(encode(unit * exact), sign | bits) << bits;
      if (bits == format.largest()) break;
      const double middle = (format.value(bits) + format.value(bits + 1)) / 2;
      const auto tie = static_cast<float>(middle);
      if (static_cast<double>(tie) != middle) continue;  // between two float subnormals
      ASSERT_EQ(encode(unit * tie), sign | (bits + bits % 2)) << bits;
      ASSERT_EQ(encode(unit * std::nextafter(tie, 0.0F)), sign | bits) << bits;
      ASSERT_EQ(encode(unit * std::nextafter(tie, INFINITY)), sign | (bits + 1)) << bits;
    }
  }
}

TEST(Encode, EveryBf16Tie) { check_encode(kBf16, f32_to_bf16); }
TEST(Encode, EveryF16Tie) { check_encode(kF16, f32_to_f16); }
TEST(Encode, EveryF8Tie) { check_encode(kF8, f32_to_f8e4m3); }

TEST(Encode, Overflow) {
  const float max = std::numeric_limits<float>::max();
  EXPECT_EQ(f32_to_bf16(max), 0x7F80);
  EXPECT_EQ(f32_to_bf16(-INFINITY), 0xFF80);
  EXPECT_EQ(f32_to_f16(65519.99F), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7C00);
  EXPECT_EQ(f32_to_f16(-max), 0xFC00);
  EXPECT_EQ(f32_to_f16(INFINITY), 0x7C00);
  for (const float big : {448.0F, 449.0F, 464.0F, 480.0F, max, INFINITY}) {
    EXPECT_EQ(f32_to_f8e4m3(big), 0x7E) << big;
    EXPECT_EQ(f32_to_f8e4m3(-big), 0xFE) << big;
  }
}

TEST(Encode, UnderflowKeepsTheSign) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(f32_to_bf16(-tiny), 0x8000);
  EXPECT_EQ(f32_to_f16(-tiny), 0x8000);
  EXPECT_EQ(f32_to_f8e4m3(-tiny), 0x80);
  EXPECT_EQ(f32_to_f16(0x1p-25F), 0) << "half of the smallest goes to even";
  EXPECT_EQ(f32_to_f16(std::nextafter(0x1p-25F, 1.0F)), 1);
  EXPECT_EQ(f32_to_f8e4m3(0x1p-10F), 0);
  EXPECT_EQ(f32_to_f8e4m3(std::nextafter(0x1p-10F, 1.0F)), 1);
}

TEST(Encode, NanStaysNan) {
  // A payload in the low bits alone must not become an infinity.
  for (const uint32_t bits : {0x7FC00000U, 0x7F800001U, 0xFF800001U, 0xFFFFFFFFU, 0x7F80FFFFU}) {
    const auto nan = std::bit_cast<float>(bits);
    EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(nan)))) << bits;
    EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(nan)))) << bits;
    EXPECT_TRUE(std::isnan(f8e4m3_to_f32(f32_to_f8e4m3(nan)))) << bits;
  }
}

TEST(DTypes, NamesAndSizes) {
  EXPECT_EQ(dtype_name(DType::kF8E4M3), "F8_E4M3");
  for (const DType type :
       {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3, DType::kI32, DType::kI64, DType::kF64, DType::kU8}) {
    EXPECT_EQ(dtype_from_name(dtype_name(type)), type);
    EXPECT_GT(dtype_bytes(type), 0U);
  }
  EXPECT_FALSE(dtype_from_name("F8_E5M2").has_value());
  EXPECT_FALSE(dtype_from_name("f32").has_value());
}

// The golden file is small enough to be read by hand: a length, a JSON header, the bytes.
class Golden {
 public:
  Golden() : file_(MappedFile::open("tests/goldens/fp8-ops/golden.safetensors")) {
    uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, file_->bytes().data(), 8);
    data_ = file_->bytes().data() + 8 + header_bytes;
    header_ = json::parse({reinterpret_cast<const char*>(file_->bytes().data()) + 8, header_bytes}, file_->path());
  }
  template <typename T>
  std::vector<T> values(const std::string& name) const {
    const auto offsets = json::Reader(header_, file_->path()).get(name).get("data_offsets").items();
    std::vector<T> out(static_cast<size_t>(offsets[1].as_int() - offsets[0].as_int()) / sizeof(T));
    std::memcpy(out.data(), data_ + offsets[0].as_int(), out.size() * sizeof(T));
    return out;
  }

 private:
  std::shared_ptr<const MappedFile> file_;
  const std::byte* data_;
  json::Value header_;
};

TEST(Fp8Golden, Decode) {
  const auto values = Golden().values<float>("decode.values");
  ASSERT_EQ(values.size(), 256U);
  for (uint32_t bits = 0; bits < 256; ++bits) {
    if (bits != 127 && bits != 255) {
      EXPECT_EQ(f8e4m3_to_f32(static_cast<f8_t>(bits)), values[bits]) << bits;
    }
  }
}

// Direct encoding involves no quotient, so no byte may differ.
TEST(Fp8Golden, Encode) {
  const Golden golden;
  const auto input = golden.values<float>("encode.input");
  const auto bytes = golden.values<uint8_t>("encode.bytes");
  ASSERT_EQ(input.size(), bytes.size());
  ASSERT_GT(input.size(), 0U);
  for (size_t i = 0; i < input.size(); ++i) EXPECT_EQ(f32_to_f8e4m3(input[i]), bytes[i]) << input[i];
}

}  // namespace
}  // namespace fathom
