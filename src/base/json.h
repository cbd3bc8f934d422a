#pragma once
// JSON at the edges: parsing with limits, typed reading with the path of the field in every error, and writing.
// Boost.JSON keeps the order of keys, which prompts depend on.

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom::json {

using Value = boost::json::value;
using Object = boost::json::object;
using Array = boost::json::array;

constexpr size_t kDefaultMaxDepth = 64;

// What a key that stands twice in one object means: the last one counts, as in Python, or the text is refused.
enum class DuplicateKeys { kLastCounts, kRefused };

// Parses one JSON text. `where` names the source in errors. Depth is limited to `max_depth`.
// Throws Error(kInvalidData) with the byte offset for malformed text, invalid UTF-8, numbers past the largest double,
// depth or trailing content.
Value parse(std::string_view text, const std::string& where, size_t max_depth = kDefaultMaxDepth,
            DuplicateKeys duplicates = DuplicateKeys::kLastCounts);

// parse() of a whole file; `max_bytes` bounds what is read.
Value parse_file(const std::string& path, size_t max_bytes = size_t{256} << 20,
                 DuplicateKeys duplicates = DuplicateKeys::kLastCounts);

// How dump() spaces its text. Prompts are rendered as Python's json.dumps does.
enum class Style {
  kCompact,  // {"a":1,"b":[1,2]}
  kPython,   // {"a": 1, "b": [1, 2]}
};

// The text of a value: non-ASCII kept, keys in their order, numbers in the shortest form that reads back the same
// (0.5, 1e-06 and 1.0 as Python prints them).
std::string dump(const Value& value, Style style = Style::kCompact);

// `text` with JSON's quotes and escapes.
std::string quote(std::string_view text);

// A value together with its path, for reading data that may lie. Every getter throws Error(kInvalidData) naming source,
// path, what was found and what was expected.
class Reader {
 public:
  Reader(const Value& value, std::string source) : value_(&value), source_(std::move(source)) {}

  const Value& value() const { return *value_; }
  // "config.json: rope_scaling.factor"
  std::string location() const;

  bool is_null() const { return value_->is_null(); }
  bool is_object() const { return value_->is_object(); }
  bool is_array() const { return value_->is_array(); }
  bool is_string() const { return value_->is_string(); }

  // Member `key` of an object; throws when it is missing.
  Reader get(std::string_view key) const;
  // The same; nothing when it is missing or null.
  std::optional<Reader> find(std::string_view key) const;

  int64_t as_int(int64_t min = INT64_MIN, int64_t max = INT64_MAX) const;
  double as_double() const;
  bool as_bool() const;
  const boost::json::string& as_string() const;

  // Elements of an array; members of an object.
  std::vector<Reader> items() const;
  std::vector<std::pair<std::string, Reader>> members() const;

  // Throws Error(kInvalidData): "found ..., expected ...".
  [[noreturn]] void fail_expected(std::string_view expected) const;

 private:
  Reader(const Value& value, std::string source, std::string path)
      : value_(&value), source_(std::move(source)), path_(std::move(path)) {}

  const Value* value_;
  std::string source_;
  std::string path_;
};

}  // namespace fathom::json
