#include "grammar/schema_document.h"

#include <algorithm>

#include "base/json.h"

namespace fathom::grammar {
namespace {

constexpr int kMaxDepth = 100;  // references and allOf that lead to each other

// Keywords that say what a value must be, and which no automaton here holds to.
constexpr std::string_view kUnsupportedKeywords[] = {
    "$dynamicRef",
    "$recursiveRef",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxContains",
    "maxProperties",
    "minContains",
    "minProperties",
    "not",
    "patternProperties",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
};

void check_keywords(const SchemaPart& part) {
  for (const std::string_view keyword : kUnsupportedKeywords) {
    if (part.find(keyword) != nullptr) fail_keyword(ErrorCode::kUnsupported, part.path, keyword, "is not supported");
  }
  const auto* unique = part.find("uniqueItems");
  if (unique != nullptr && *unique != boost::json::value(false)) {
    fail_keyword(ErrorCode::kUnsupported, part.path, "uniqueItems", "is not supported");
  }
  // It would change what references within mean.
  const auto* id = part.find("$id");
  if (id != nullptr && part.path != "#") {
    fail_keyword(ErrorCode::kUnsupported, part.path, "$id", "is supported at the root only");
  }
}

// One step of a JSON pointer: ~1 is /, ~0 is ~, %XX a byte.
std::string unescape(std::string_view step) {
  std::string bytes;
  const auto hex = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  for (size_t i = 0; i < step.size(); ++i) {
    const bool is_hex = step[i] == '%' && i + 2 < step.size() &&
                        std::isxdigit(static_cast<unsigned char>(step[i + 1])) &&
                        std::isxdigit(static_cast<unsigned char>(step[i + 2]));
    bytes += is_hex ? static_cast<char>(hex(step[i + 1]) * 16 + hex(step[i + 2])) : step[i];
    if (is_hex) i += 2;
  }
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const bool is_escape = bytes[i] == '~' && i + 1 < bytes.size() && (bytes[i + 1] == '0' || bytes[i + 1] == '1');
    out += is_escape ? (bytes[i + 1] == '0' ? '~' : '/') : bytes[i];
    if (is_escape) ++i;
  }
  return out;
}

const boost::json::value* step_into(const boost::json::value& from, const std::string& step) {
  if (from.is_object()) return from.get_object().if_contains(step);
  if (!from.is_array() || step.empty() || step.size() > 6) return nullptr;
  if (!std::all_of(step.begin(), step.end(), [](char c) { return c >= '0' && c <= '9'; })) return nullptr;
  return from.get_array().if_contains(std::stoul(step));
}

}  // namespace

void fail_keyword(ErrorCode code, const std::string& path, std::string_view keyword, std::string_view problem) {
  fail(code, "schema: " + path, "'{}' {}", keyword, problem);
}

SchemaPart SchemaPart::child(const boost::json::value& value, std::string_view step) const {
  return {.schema = &value, .path = path + "/" + std::string(step)};
}

const boost::json::array& schema_list(const SchemaPart& part, std::string_view keyword) {
  const auto* list = part.find(keyword);
  if (list == nullptr || !list->is_array() || list->get_array().empty()) {
    fail_keyword(ErrorCode::kInvalidData, part.path, keyword, "must be a list of schemas");
  }
  return list->get_array();
}

SchemaPart SchemaDocument::resolve(const SchemaPart& from, const boost::json::value& reference) const {
  if (!reference.is_string()) fail_keyword(ErrorCode::kInvalidData, from.path, "$ref", "must be a string");
  const std::string text(reference.get_string());
  if (text.empty() || text[0] != '#' || (text.size() > 1 && text[1] != '/')) {
    fail_keyword(ErrorCode::kUnsupported, from.path, "$ref",
                 "must begin with '#/' or be '#', found " + json::quote(text));
  }
  const boost::json::value* at = &root_;
  for (size_t begin = 1; begin < text.size() && at != nullptr;) {
    const size_t end = std::min(text.find('/', begin + 1), text.size());
    at = step_into(*at, unescape(std::string_view(text).substr(begin + 1, end - begin - 1)));
    begin = end;
  }
  if (at == nullptr) fail_keyword(ErrorCode::kInvalidData, from.path, "$ref", "leads nowhere: " + json::quote(text));
  return {.schema = at, .path = text};
}

void SchemaDocument::add(Conjunction& conjunction, const SchemaPart& part, int depth) const {
  if (part.schema->is_bool()) {
    if (!part.schema->get_bool()) conjunction.is_never = true;
    return;
  }
  if (!part.schema->is_object()) {
    fail(ErrorCode::kInvalidData, "schema: " + part.path, "found {}, expected an object, true or false",
         json::dump(*part.schema).substr(0, 40));
  }
  for (const SchemaPart& there : conjunction.parts) {
    if (there.schema == part.schema) return;
  }
  if (depth > kMaxDepth) {
    fail_keyword(ErrorCode::kInvalidData, part.path, "$ref", "leads on without end, or too far");
  }
  check_keywords(part);
  if (const auto* reference = part.find("$ref")) add(conjunction, resolve(part, *reference), depth + 1);
  if (part.find("allOf") != nullptr) {
    const auto& list = schema_list(part, "allOf");
    for (size_t i = 0; i < list.size(); ++i) {
      add(conjunction, part.child(list[i], fmt::format("allOf/{}", i)), depth + 1);
    }
  }
  conjunction.parts.push_back(part);
}

std::vector<Conjunction> SchemaDocument::alternatives(const Conjunction& conjunction, SchemaPart& split) const {
  std::vector<Conjunction> out;
  for (size_t at = 0; at < conjunction.parts.size(); ++at) {
    SchemaPart part = conjunction.parts[at];
    const bool is_any = (part.done & SchemaPart::kAnyOf) == 0 && part.find("anyOf") != nullptr;
    const bool is_one = (part.done & SchemaPart::kOneOf) == 0 && part.find("oneOf") != nullptr;
    if (!is_any && !is_one) continue;
    const std::string keyword = is_any ? "anyOf" : "oneOf";
    part.done |= is_any ? SchemaPart::kAnyOf : SchemaPart::kOneOf;
    const auto& list = schema_list(part, keyword);
    for (size_t i = 0; i < list.size(); ++i) {
      Conjunction branch = conjunction;
      branch.parts[at].done = part.done;
      add(branch, part.child(list[i], fmt::format("{}/{}", keyword, i)));
      out.push_back(std::move(branch));
    }
    split = std::move(part);
    return out;
  }
  return out;
}

}  // namespace fathom::grammar
