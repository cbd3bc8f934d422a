#include "assistant/expression.h"

#include <fmt/format.h>

#include <optional>

#include "assistant/number.h"

namespace fathom::assistant {
namespace {

constexpr size_t kMostBytes = 1000;
// Each level is a few frames of the functions below.
constexpr int kMostDepth = 100;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// expression = term {("+" | "-") term};  term = factor {("*" | "/" | "%") factor};  factor = ("+" | "-") factor |
// power; power = primary [("**" | "^") factor];  primary = number | "(" expression ")".
//
// The first thing that is wrong is kept in error_, and everything returns early from then on.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Evaluation run() {
    if (text_.size() > kMostBytes) {
      return {fmt::format("the expression has {} bytes, at most {} are read", text_.size(), kMostBytes), true};
    }
    const Number value = expression();
    if (is_fine() && peek() != '\0') wrong();
    if (is_fine() && !value.is_finite()) error_ = "the result is too large";
    return is_fine() ? Evaluation{value.text()} : Evaluation{error_, true};
  }

 private:
  bool is_fine() const { return error_.empty(); }

  void wrong() {
    if (!is_fine()) return;
    if (at_ >= text_.size()) {
      error_ = "the expression ends too early";
    } else {
      error_ = fmt::format("cannot read the expression at byte {}", at_ + 1);
    }
  }

  // The next operator, parenthesis or digit behind blanks: signs beyond ASCII as their ASCII twins, '\0' at the end.
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
    const std::string_view rest = text_.substr(at_);
    length_ = 1;
    if (rest.empty()) return '\0';
    if (rest[0] == '\0') return '?';
    if (rest.starts_with("**")) return long_sign(2, '^');
    if (rest.starts_with("×")) return long_sign(2, '*');
    if (rest.starts_with("÷")) return long_sign(2, '/');
    if (rest.starts_with("−")) return long_sign(3, '-');
    return rest[0];
  }
  char long_sign(size_t length, char sign) {
    length_ = length;
    return sign;
  }
  void take() { at_ += length_; }

  Number expression() {
    Number left = term();
    for (char sign = peek(); is_fine() && (sign == '+' || sign == '-'); sign = peek()) {
      take();
      const Number right = term();
      left = sign == '+' ? left + right : left - right;
    }
    return left;
  }

  Number term() {
    Number left = factor();
    for (char sign = peek(); is_fine() && (sign == '*' || sign == '/' || sign == '%'); sign = peek()) {
      take();
      const Number right = factor();
      if (sign == '*') {
        left = left * right;
      } else {
        left = valid(sign == '/' ? left.divided_by(right) : left.modulo(right), "division by zero");
      }
    }
    return left;
  }

  Number factor() {
    if (++depth_ > kMostDepth && is_fine()) error_ = fmt::format("nested deeper than {}", kMostDepth);
    Number value;
    const char sign = peek();
    if (!is_fine()) {
      // too deep
    } else if (sign == '+' || sign == '-') {
      take();
      value = sign == '-' ? -factor() : factor();
    } else {
      value = power();
    }
    --depth_;
    return value;
  }

  Number power() {
    const Number base = primary();
    if (!is_fine() || peek() != '^') return base;
    take();
    const Number exponent = factor();
    return valid(base.power(exponent), base.is_zero() ? "division by zero" : "a root of a negative number");
  }

  Number primary() {
    const char next = peek();
    if (is_digit(next) || next == '.') return number();
    if (next != '(') {
      wrong();
      return {};
    }
    take();
    const Number value = expression();
    if (is_fine() && peek() != ')') wrong();
    if (is_fine()) take();
    return value;
  }

  Number number() {
    const size_t begin = at_;
    int digits = 0;
    int points = 0;
    for (; at_ < text_.size() && (is_digit(text_[at_]) || (text_[at_] == '.' && points == 0)); ++at_) {
      ++(text_[at_] == '.' ? points : digits);
    }
    if (digits == 0) wrong();
    return is_fine() ? Number::parse(text_.substr(begin, at_ - begin)) : Number();
  }

  // An operation on what is wrong already says nothing new.
  Number valid(const std::optional<Number>& value, const char* otherwise) {
    if (!value && is_fine()) error_ = otherwise;
    return value.value_or(Number());
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t length_ = 1;  // of what peek() saw
  int depth_ = 0;
  std::string error_;
};

}  // namespace

Evaluation evaluate(std::string_view expression) { return Parser(expression).run(); }

}  // namespace fathom::assistant
