#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cmath>
#include <unordered_set>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace fathom::json {
namespace {

using boost::json::error_code;
using boost::json::string_view;

// Builds the value as Boost's own parser does, but reads doubles to the last bit: Boost 1.81 scales by a power of ten
// and is often one unit off, and it makes 1e999 an infinity.
class ValueBuilder {
 public:
  static constexpr size_t max_object_size = Object::max_size();
  static constexpr size_t max_array_size = Array::max_size();
  static constexpr size_t max_key_size = boost::json::string::max_size();
  static constexpr size_t max_string_size = boost::json::string::max_size();

  explicit ValueBuilder(DuplicateKeys duplicates) : refuses_duplicates_(duplicates == DuplicateKeys::kRefused) {}

  // The key that stood twice, when that is why parsing ended.
  const std::optional<std::string>& duplicate() const { return duplicate_; }

  bool on_document_begin(error_code&) {
    stack_.reset();
    return true;
  }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    if (refuses_duplicates_) keys_.emplace_back();
    return true;
  }
  bool on_object_end(size_t count, error_code&) {
    if (refuses_duplicates_) keys_.pop_back();
    return stack_.push_object(count), true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(size_t count, error_code&) { return stack_.push_array(count), true; }
  bool on_key_part(string_view text, size_t, error_code&) {
    if (refuses_duplicates_) key_.append(text.data(), text.size());
    return stack_.push_chars(text), true;
  }
  bool on_key(string_view text, size_t, error_code& code) {
    if (refuses_duplicates_) {
      key_.append(text.data(), text.size());
      if (!keys_.back().insert(key_).second) {
        duplicate_ = key_;
        code = boost::json::error::syntax;
        return false;
      }
      key_.clear();
    }
    return stack_.push_key(text), true;
  }
  bool on_string_part(string_view text, size_t, error_code&) { return stack_.push_chars(text), true; }
  bool on_string(string_view text, size_t, error_code&) { return stack_.push_string(text), true; }
  bool on_number_part(string_view, error_code&) { return true; }
  bool on_int64(int64_t number, string_view, error_code&) { return stack_.push_int64(number), true; }
  bool on_uint64(uint64_t number, string_view, error_code&) { return stack_.push_uint64(number), true; }
  bool on_bool(bool value, error_code&) { return stack_.push_bool(value), true; }
  bool on_null(error_code&) { return stack_.push_null(), true; }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

  // The text is whole, because parse() hands over the whole document at once.
  bool on_double(double rough, string_view text, error_code& code) {
    double number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec == std::errc::result_out_of_range) {
      if (std::fabs(rough) > 1) {
        code = boost::json::error::exponent_overflow;
        return false;
      }
      number = std::copysign(0.0, rough);  // below the smallest double
    }
    stack_.push_double(number);
    return true;
  }

  Value release() { return stack_.release(); }

 private:
  boost::json::value_stack stack_;
  bool refuses_duplicates_;
  std::string key_;                                    // parts of the key that is being read
  std::vector<std::unordered_set<std::string>> keys_;  // of the objects that are open
  std::optional<std::string> duplicate_;
};

}  // namespace

Value parse(std::string_view text, const std::string& where, size_t max_depth, DuplicateKeys duplicates) {
  boost::json::parse_options options;
  options.max_depth = max_depth;
  boost::json::basic_parser<ValueBuilder> parser(options, duplicates);
  error_code code;
  const size_t used = parser.write_some(false, text.data(), text.size(), code);
  if (!code && used < text.size()) code = boost::json::error::extra_data;
  if (const auto& key = parser.handler().duplicate()) {
    fail(ErrorCode::kInvalidData, where, "names {} twice, at byte {}", quote(*key), used);
  }
  if (code) fail(ErrorCode::kInvalidData, where, "not valid JSON: {} at byte {}", code.message(), used);
  return parser.handler().release();
}

Value parse_file(const std::string& path, size_t max_bytes, DuplicateKeys duplicates) {
  return parse(read_text_file(path, max_bytes), path, kDefaultMaxDepth, duplicates);
}

}  // namespace fathom::json
