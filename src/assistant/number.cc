#include "assistant/number.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace fathom::assistant {
namespace {

// -2^127 is left out: it has no opposite.
constexpr Int128 kSmallest = -(((Int128{1} << 126) - 1) * 2 + 1);
constexpr int kMostPlaces = 10;

Int128 magnitude(Int128 value) { return value < 0 ? -value : value; }

Int128 common_divisor(Int128 a, Int128 b) {
  for (a = magnitude(a), b = magnitude(b); b != 0; a = std::exchange(b, a % b)) {
  }
  return a;
}

std::optional<Int128> product(Int128 a, Int128 b) {
  Int128 out = 0;
  if (__builtin_mul_overflow(a, b, &out) || out < kSmallest) return std::nullopt;
  return out;
}

std::optional<Int128> sum(Int128 a, Int128 b) {
  Int128 out = 0;
  if (__builtin_add_overflow(a, b, &out) || out < kSmallest) return std::nullopt;
  return out;
}

std::string digits_of(Int128 value) {
  std::string out;
  for (Int128 rest = magnitude(value); rest != 0 || out.empty(); rest /= 10) {
    out += static_cast<char>('0' + static_cast<int>(rest % 10));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

Number Number::approximate(long double value) {
  Number out;
  out.is_exact_ = false;
  out.approximation_ = value;
  return out;
}

Number Number::fraction(Int128 numerator, Int128 denominator) {
  const Int128 divisor = common_divisor(numerator, denominator);
  Number out;
  out.numerator_ = (denominator < 0 ? -numerator : numerator) / divisor;
  out.denominator_ = magnitude(denominator) / divisor;
  return out;
}

Number Number::parse(std::string_view digits) {
  Int128 numerator = 0;
  Int128 denominator = 1;
  long double value = 0;
  long double scale = 1;
  bool fits = true;
  bool is_behind_point = false;
  for (const char c : digits) {
    if (c == '.') {
      is_behind_point = true;
      continue;
    }
    const int digit = c - '0';
    value = value * 10 + static_cast<long double>(digit);
    if (is_behind_point) scale *= 10;
    const auto tenfold = product(numerator, 10);
    const auto next = tenfold ? sum(*tenfold, digit) : std::nullopt;
    const auto place = is_behind_point ? product(denominator, 10) : std::optional(denominator);
    fits = fits && next && place;
    if (!fits) continue;
    numerator = *next;
    denominator = *place;
  }
  return fits ? fraction(numerator, denominator) : approximate(value / scale);
}

long double Number::value() const {
  return is_exact_ ? static_cast<long double>(numerator_) / static_cast<long double>(denominator_) : approximation_;
}

bool Number::is_finite() const { return is_exact_ || std::isfinite(approximation_); }

Number Number::operator-() const {
  Number out = *this;
  out.numerator_ = -out.numerator_;
  out.approximation_ = -out.approximation_;
  return out;
}

Number Number::operator+(const Number& other) const {
  if (is_exact_ && other.is_exact_) {
    const Int128 divisor = common_divisor(denominator_, other.denominator_);
    const auto a = product(numerator_, other.denominator_ / divisor);
    const auto b = product(other.numerator_, denominator_ / divisor);
    const auto top = a && b ? sum(*a, *b) : std::nullopt;
    const auto bottom = product(denominator_, other.denominator_ / divisor);
    if (top && bottom) return fraction(*top, *bottom);
  }
  return approximate(value() + other.value());
}

Number Number::operator*(const Number& other) const {
  if (is_exact_ && other.is_exact_) {
    // Shortened crosswise first, so that only a result that does not fit overflows.
    const Int128 a = common_divisor(numerator_, other.denominator_);
    const Int128 b = common_divisor(other.numerator_, denominator_);
    const auto top = product(numerator_ / a, other.numerator_ / b);
    const auto bottom = product(denominator_ / b, other.denominator_ / a);
    if (top && bottom) return fraction(*top, *bottom);
  }
  return approximate(value() * other.value());
}

std::optional<Number> Number::divided_by(const Number& other) const {
  if (other.is_zero()) return std::nullopt;
  if (!other.is_exact_) return approximate(value() / other.approximation_);
  return *this * fraction(other.denominator_, other.numerator_);
}

std::optional<Number> Number::modulo(const Number& other) const {
  const auto quotient = divided_by(other);
  if (!quotient) return std::nullopt;
  if (!quotient->is_exact_ || !is_exact_) {
    const long double rest = std::fmod(value(), other.value());
    return approximate(rest != 0 && (rest < 0) != (other.value() < 0) ? rest + other.value() : rest);
  }
  Int128 whole = quotient->numerator_ / quotient->denominator_;
  if (quotient->numerator_ < 0 && quotient->numerator_ % quotient->denominator_ != 0) --whole;
  return *this - other * Number(whole);
}

std::optional<Number> Number::whole_power(Int128 exponent) const {
  if (exponent < 0) {
    const auto inverse = Number(1).divided_by(*this);
    return inverse ? inverse->whole_power(-exponent) : std::nullopt;
  }
  Number out(1);
  Number square = *this;
  for (Int128 rest = exponent; rest != 0; rest /= 2) {
    if (rest % 2 != 0) out = out * square;
    // What came out of an overflow is left to the library, which rounds once.
    if (!out.is_exact_) return approximate(std::pow(value(), static_cast<long double>(exponent)));
    if (rest > 1) square = square * square;
  }
  return out;
}

std::optional<Number> Number::power(const Number& exponent) const {
  if (is_zero() && exponent.value() < 0) return std::nullopt;
  if (is_exact_ && exponent.is_exact_ && exponent.denominator_ == 1) return whole_power(exponent.numerator_);
  const long double result = std::pow(value(), exponent.value());
  if (std::isnan(result)) return std::nullopt;
  // A root of a square is whole.
  const long double rounded = std::round(result);
  if (is_exact_ && exponent.is_exact_ && exponent.numerator_ == 1 && std::fabs(rounded) < 0x1p60L) {
    const auto back = Number(static_cast<Int128>(rounded)).whole_power(exponent.denominator_);
    if (back && back->is_exact_ && back->numerator_ == numerator_ && back->denominator_ == denominator_) {
      return Number(static_cast<Int128>(rounded));
    }
  }
  return approximate(result);
}

std::string Number::decimal_text() const {
  std::string out = (numerator_ < 0 ? "-" : "") + digits_of(numerator_ / denominator_);
  Int128 rest = magnitude(numerator_ % denominator_);
  if (rest != 0) out += '.';
  for (int place = 0; rest != 0; ++place) {
    const auto tenfold = product(rest, 10);
    if (place == kMostPlaces || !tenfold) return {};
    out += static_cast<char>('0' + static_cast<int>(*tenfold / denominator_));
    rest = *tenfold % denominator_;
  }
  return out;
}

std::string Number::text() const {
  if (is_exact_) {
    const std::string exact = decimal_text();
    if (!exact.empty()) return exact;
  }
  const long double number = value();
  if (number == 0) return "0";
  if (std::fabs(number) >= 1e10L && std::fabs(number) < 1e18L) return fmt::format("{:.0f}", number);
  return fmt::format("{:.10g}", number);
}

}  // namespace fathom::assistant
