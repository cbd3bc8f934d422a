#pragma once
// A number that is exact while it can be.

#include <optional>
#include <string>
#include <string_view>

namespace fathom::assistant {

__extension__ typedef __int128 Int128;  // no type of the standard has 128 bits

// A fraction in lowest terms with a positive denominator, or an approximation once it no longer fits. Operations go
// over to the approximation by themselves; they return nothing where there is no value (division by zero, an even root
// of a negative number), and infinity where the value is too large.
class Number {
 public:
  Number() = default;
  explicit Number(Int128 whole) : numerator_(whole) {}
  static Number approximate(long double value);
  // Digits with at most one point among them. Requires a digit, and nothing else.
  static Number parse(std::string_view digits);

  Number operator-() const;
  Number operator+(const Number& other) const;
  Number operator-(const Number& other) const { return *this + -other; }
  Number operator*(const Number& other) const;
  [[nodiscard]] std::optional<Number> divided_by(const Number& other) const;
  // What is left of division with the quotient rounded down.
  [[nodiscard]] std::optional<Number> modulo(const Number& other) const;
  [[nodiscard]] std::optional<Number> power(const Number& exponent) const;

  bool is_zero() const { return is_exact_ ? numerator_ == 0 : approximation_ == 0; }
  bool is_finite() const;
  std::string text() const;

 private:
  // Of terms of any sign, the denominator not zero.
  static Number fraction(Int128 numerator, Int128 denominator);
  long double value() const;
  std::optional<Number> whole_power(Int128 exponent) const;
  // The decimals of a fraction that ends within ten places; empty when it does not.
  std::string decimal_text() const;

  bool is_exact_ = true;
  Int128 numerator_ = 0;
  Int128 denominator_ = 1;
  long double approximation_ = 0;  // where it is not exact
};

}  // namespace fathom::assistant
