#pragma once
// Arithmetic as people write it.

#include <string>
#include <string_view>

namespace fathom::assistant {

struct Evaluation {
  std::string text;  // the value, or what is wrong
  bool is_error = false;
};

// The value of an expression of decimal numbers, + - * / % ( ), unary signs, and powers ** or ^ (which bind closer than
// a sign on their left and group from the right). × ÷ − are read as * / -. The remainder has the sign of the divisor.
//
// Fractions are kept exact while numerator and denominator fit 127 bits, so that 1/3*3 is 1 and 0.1+0.2 is 0.3; past
// that, and for roots, it goes on in long double. Whole values below 2^127 are printed in full, decimals of up to ten
// places too; all else with ten significant digits, or rounded to whole below 10^18.
//
// Never throws: text that is no expression, division by zero, a value past the largest number, and expressions past
// the limits of length and depth are errors.
[[nodiscard]] Evaluation evaluate(std::string_view expression);

}  // namespace fathom::assistant
