// Schemas: cases by hand, what is refused, and random schemas whose instances are held against a plain validator.

#include <gtest/gtest.h>

#include "base/error.h"
#include "grammar/slow_validator.h"
#include "grammar/test_support.h"

namespace fathom::grammar {
namespace {

Grammar from(std::string_view schema, uint32_t max_whitespace = 8) {
  return Grammar::from_json_schema(json::parse(schema, "schema"), {.max_whitespace = max_whitespace});
}

struct Case {
  const char* schema;
  std::vector<const char*> valid;
  std::vector<const char*> invalid;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {R"({"type":"integer"})", {"0", "-7", "123456789012345678"}, {"1.5", "01", "\"1\"", "-", "1e3"}},
      {R"({"type":"integer","minimum":-3,"maximum":120})",
       {"-3", "-1", "0", "99", "120"},
       {"-4", "121", "1200", "-30"}},
      {R"({"type":"integer","exclusiveMinimum":9,"exclusiveMaximum":12})", {"10", "11"}, {"9", "12", "1", "110"}},
      {R"({"type":"integer","minimum":0.5,"maximum":2.5})", {"1", "2"}, {"0", "3"}},
      {R"({"type":"number","minimum":-0.5,"maximum":1.25})",
       {"-0.5", "0", "1", "1.25", "1.249", "-0.49", "0.000", "1.250"},
       {"-0.51", "1.26", "1.2501", "2", "-1", "1e0"}},
      {R"({"type":"number","exclusiveMinimum":0,"exclusiveMaximum":10})",
       {"0.1", "9.99", "5"},
       {"0", "0.0", "10", "10.0"}},
      {R"({"type":["string","null"]})", {"null", "\"\"", "\"a\\u00e9\""}, {"1", "nul", "\"\n\""}},
      {R"({"type":"string","minLength":1,"maxLength":3})",
       {"\"a\"", "\"é你👍\"", "\"\\n\\u0041\\ud83d\\udc4d\""},
       {"\"\"", "\"abcd\"", "\"a\\nbc\""}},
      {R"({"type":"string","pattern":"^[a-c]+\\d{2}$"})",
       {"\"a12\"", "\"abc00\""},
       {"\"12\"", "\"a1\"", "\"xa12\"", "\"a123\""}},
      {R"({"type":"string","pattern":"b"})", {"\"abc\"", "\"b\"", "\"é\\nb\""}, {"\"a\"", "\"\""}},
      {R"({"type":"string","pattern":"^\"\\\\\\n$"})", {R"("\"\\\n")"}, {"\"\""}},
      {R"({"enum":["a",1,null,{"x":[true]},0.5]})",
       {"\"a\"", "1", "null", "{\"x\":[true]}", "0.5"},
       {"\"b\"", "2", "1.0"}},
      {R"({"type":"string","enum":["a",1]})", {"\"a\""}, {"1"}},
      {R"({"enum":[1,5,10],"minimum":5})", {"5", "10"}, {"1"}},
      {R"({"const":"say \"é\""})", {R"("say \"é\"")"}, {"\"say\""}},
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"},"c":{"type":"null"}},
           "required":["b"],"additionalProperties":false})",
       {R"({"b":""})", R"({"a":1,"b":"x"})", R"({ "a": 1, "b": "x", "c": null })", R"({"b":"","c":null})"},
       {"{}", R"({"a":1})", R"({"b":1})", R"({"b":"","d":1})", R"({"b":"",})", R"({,"b":""})", R"({"b":"","b":""})"}},
      {R"({"type":"object","properties":{"ab":{"type":"integer"}}})",
       {"{}", R"({"ab":1})", R"({"a":"x"})", R"({"abc":1,"x":[]})", R"({"ab":1,"":null})"},
       {R"({"ab":"x"})", R"({"a":1,"ab":"x"})", "{\"\\u0061b\":\"x\"}"}},
      {R"({"type":"object","additionalProperties":{"type":"integer"},"required":["k"]})",
       {R"({"k":1})", R"({"k":1,"z":2})"},
       {"{}", R"({"k":"x"})", R"({"z":2})"}},
      {R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})",
       {"[1]", "[1, 2,3]"},
       {"[]", "[1,2,3,4]", "[\"a\"]", "[1,]"}},
      {R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false})",
       {"[]", "[1]", "[1,\"a\"]"},
       {"[\"a\"]", "[1,2]", "[1,\"a\",1]"}},
      {R"({"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"null"},"minItems":2,"maxItems":3})",
       {"[1,null]", "[1,null,null]"},
       {"[1]", "[null,null]", "[1,null,null,null]"}},
      {R"({"anyOf":[{"type":"integer"},{"type":"array","items":{"$ref":"#"}}]})",
       {"1", "[]", "[1,[2,[]]]"},
       {"\"a\"", "[\"a\"]"}},
      {R"({"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},
           "required":["v","next"],"additionalProperties":false,"$defs":{"n":{"$ref":"#"}}})",
       {R"({"v":1,"next":{"v":2,"next":null}})"},
       {R"({"v":1})", R"({"v":1,"next":{"v":2}})"}},
      {R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"integer"}},"required":["k","x"]},
                    {"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]})",
       {R"({"k":"a","x":1})", R"({"k":"b"})", R"({"k":"b","x":"y"})"},
       {R"({"k":"a"})", R"({"k":"c"})", R"({"k":"a","x":"y"})"}},
      {R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},
                    {"properties":{"a":{"minimum":3},"b":{"type":"null"}},"additionalProperties":false}]})",
       {R"({"a":3})", R"({"a":9,"b":null})"},
       {"{}", R"({"a":2})", R"({"a":3,"c":1})"}},
      {R"({"type":"object","properties":{"a":false,"b":true},"required":["b"]})",
       {R"({"b":[]})"},
       {R"({"a":1,"b":1})"}},
      {R"({"type":"object","properties":{"a":{"enum":[]},"b":{"type":"null"}},"additionalProperties":false})",
       {"{}", R"({"b":null})"},
       {R"({"a":1})"}},
      {R"({"minimum":5})", {"5", "\"a\"", "{}", "[null]", "true"}, {"4", "-1"}},
      {"true", {"1", "{\"a\":[]}"}, {"", "x"}},
      {R"({"type":"string","format":"date"})",
       {"\"2024-02-29\"", "\"2023-12-31\""},
       {"\"2023-02-29\"", "\"2024-13-01\"", "\"1900-02-29\""}},
      {R"({"type":"string","format":"date-time"})",
       {"\"2024-01-01T23:59:59Z\"", "\"2024-01-01T00:00:00.5+02:00\""},
       {"\"2024-01-01\"", "\"2024-01-01T24:00:00Z\""}},
      {R"({"type":"string","format":"ipv4"})",
       {"\"127.0.0.1\"", "\"255.255.255.255\""},
       {"\"256.0.0.1\"", "\"1.2.3\"", "\"01.2.3.4\""}},
      {R"({"type":"string","format":"ipv6"})",
       {"\"::\"", "\"::1\"", "\"fe80::1:2\"", "\"1:2:3:4:5:6:7:8\"", "\"1::\""},
       {"\"1::2::3\"", "\"1:2:3:4:5:6:7\"", "\":1\""}},
      {R"({"type":"string","format":"uuid"})", {"\"01234567-89ab-cdef-0123-456789ABCDEF\""}, {"\"0123\""}},
      {R"({"type":"string","format":"email"})",
       {"\"a.b@example.org\"", "\"x+y@localhost\""},
       {"\"a@\"", "\".a@b\"", "\"a\""}},
      {R"({"type":"string","format":"hostname"})", {"\"a-b.example.co.uk\""}, {"\"-a\"", "\"a-\"", "\"a..b\""}},
  };
  return all;
}

TEST(JsonSchema, AdmitsWhatItShould) {
  for (const Case& each : cases()) {
    const auto grammar = compile(from(each.schema));
    for (const char* text : each.valid) EXPECT_TRUE(matches(grammar, text)) << each.schema << " on " << text;
    for (const char* text : each.invalid) EXPECT_FALSE(matches(grammar, text)) << each.schema << " on " << text;
  }
}

TEST(JsonSchema, MasksAreExact) {
  for (const Case& each : cases()) {
    const auto grammar = compile(from(each.schema));
    for (const char* text : each.valid) expect_exact_mask(grammar, text);
  }
  // Counts near their end, where long tokens and short ones see different states.
  const auto counted = compile(from(R"({"type":"array","items":{"type":"string","minLength":5,"maxLength":40}})"));
  expect_exact_mask(counted, "[\"" + std::string(40, 'a') + "\", \"aaaa é\"]");
}

TEST(JsonSchema, FollowingMasksGivesInstances) {
  for (const Case& each : cases()) {
    const json::Value schema = json::parse(each.schema, "schema");
    const SlowValidator validator(schema);
    const auto grammar = compile(from(each.schema, 2));
    for (uint64_t seed = 0; seed < 20; ++seed) {
      Dice dice(seed);
      const std::string text = random_text(grammar, dice, dice.roll(10), 1500);
      if (text.empty()) continue;
      EXPECT_TRUE(validator.holds(json::parse(text, "text", 2000))) << each.schema << " gave " << text;
    }
  }
}

TEST(JsonSchema, RefusesWhatItCannotHoldTo) {
  const struct {
    const char* schema;
    const char* words;  // of the error
  } bad[] = {
      {R"({"properties":{"a":{"not":{}}}})", "#/properties/a: 'not'"},
      {R"({"type":"array","uniqueItems":true})", "#: 'uniqueItems'"},
      {R"({"items":{"type":"integer","multipleOf":3}})", "'multipleOf'"},
      {R"({"patternProperties":{"a":{}}})", "'patternProperties'"},
      {R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", "#: 'oneOf'"},
      {R"({"$ref":"other.json"})", "'$ref'"},
      {R"({"$ref":"#/$defs/none"})", "leads nowhere"},
      {R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"type":"blue"}},"$ref":"#/$defs/a"})", "#/$defs/b: 'type'"},
      {R"({"type":"string","pattern":"(?=a)b"})", "#/pattern"},
      {R"({"type":"string","pattern":"a","maxLength":3})", "'pattern'"},
      {R"({"type":"string","format":"iri"})", "'format'"},
      {R"({"type":"string","minLength":-1})", "'minLength'"},
      {R"({"minimum":"a"})", "expected a number"},
      {R"({"type":"object","properties":{"a":3}})", "#/properties/a"},
      {"3", "expected an object"},
      {"false", "no text"},
      {R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})", "no text"},
      {R"({"enum":[]})", "no text"},
  };
  for (const auto& each : bad) {
    try {
      compile(from(each.schema));
      ADD_FAILURE() << "accepted " << each.schema;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(each.words), std::string::npos) << each.schema << ": " << error.what();
    }
  }
}

// A random schema of the subset, and an instance of it.
class SchemaMaker {
 public:
  explicit SchemaMaker(Dice& dice) : dice_(dice) {}

  json::Value schema(int depth) {
    switch (dice_.roll(depth > 0 ? 9 : 6)) {
      case 0:
        return json::Object{{"type", "integer"}, {"minimum", low()}, {"maximum", 50}};
      case 1:
        return json::Object{{"type", "number"}, {"exclusiveMinimum", 0.25 * static_cast<double>(low())}};
      case 2:
        return json::Object{{"type", "string"}, {"minLength", dice_.roll(3)}, {"maxLength", 3 + dice_.roll(5)}};
      case 3:
        return json::Object{{"type", "string"}};
      case 4:
        return json::Object{{"enum", json::Array{"a", "ab", 1, nullptr, json::Object{{"z", true}}}}};
      case 5:
        return json::Object{{"type", "boolean"}};
      case 6:
        return array(depth);
      case 7:
        return json::Object{{"anyOf", json::Array{schema(depth - 1), schema(depth - 1)}}};
      default:
        return object(depth);
    }
  }

  json::Value instance(const json::Value& schema) {
    const json::Object& s = schema.get_object();
    if (const auto* list = s.if_contains("enum")) return list->get_array()[dice_.roll(list->get_array().size())];
    if (const auto* list = s.if_contains("anyOf")) return instance(list->get_array()[dice_.roll(2)]);
    const std::string type(s.at("type").get_string());
    if (type == "boolean") return dice_.chance(50);
    if (type == "integer") return s.at("minimum").get_int64() + static_cast<int64_t>(dice_.roll(20));
    if (type == "number") return s.at("exclusiveMinimum").get_double() + 0.5 * static_cast<double>(1 + dice_.roll(9));
    if (type == "string") return text(s);
    return type == "array" ? array_instance(s) : object_instance(s);
  }

 private:
  int64_t low() { return static_cast<int64_t>(dice_.roll(60)) - 30; }

  json::Value array(int depth) {
    json::Object s{{"type", "array"}, {"items", schema(depth - 1)}, {"minItems", dice_.roll(3)}, {"maxItems", 4}};
    if (dice_.chance(40)) s["prefixItems"] = json::Array{schema(depth - 1), schema(depth - 1)};
    return s;
  }

  json::Value object(int depth) {
    json::Object properties;
    json::Array required;
    for (const char* name : {"a", "ab", "name", "\"é\\", ""}) {
      if (dice_.chance(40)) continue;
      properties[name] = schema(depth - 1);
      if (dice_.chance(50)) required.emplace_back(name);
    }
    json::Object s{{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
    if (dice_.chance(50)) s["additionalProperties"] = false;
    return s;
  }

  json::Value text(const json::Object& s) {
    static const char* const kCharacters[] = {"a", "é", "你", "👍", "\"", "\\", "\n", "\x01", " ", "0"};
    const auto* min = s.if_contains("minLength");
    std::string out;
    for (size_t left = (min == nullptr ? 0 : min->to_number<size_t>()) + dice_.roll(2); left > 0; --left) {
      out += kCharacters[dice_.roll(10)];
    }
    return json::Value(out);
  }

  json::Value array_instance(const json::Object& s) {
    const size_t size = s.at("minItems").to_number<size_t>() + dice_.roll(2);
    const auto* prefix = s.if_contains("prefixItems");
    json::Array out;
    for (size_t i = 0; i < size; ++i) {
      out.push_back(instance(prefix != nullptr && i < 2 ? prefix->get_array()[i] : s.at("items")));
    }
    return out;
  }

  json::Value object_instance(const json::Object& s) {
    json::Object out;
    for (const auto& member : s.at("properties").get_object()) {
      bool is_there = dice_.chance(50);
      for (const auto& name : s.at("required").get_array()) is_there |= name.get_string() == member.key();
      if (is_there) out[member.key()] = instance(member.value());
    }
    if (!s.contains("additionalProperties") && dice_.chance(50)) {
      out["names"] = json::Array{1, json::Object{{"x", nullptr}}};
      out["b\t"] = -0.5;
    }
    return out;
  }

  Dice& dice_;
};

// Every token that is a prefix of what is left is allowed, wherever a tokenisation may stand.
void expect_tokenisable(const std::shared_ptr<const CompiledGrammar>& grammar, const std::string& text, Dice& dice) {
  const TokenVocabulary& vocabulary = grammar->vocabulary();
  Matcher matcher(grammar);
  for (size_t at = 0; at < text.size();) {
    const std::vector<uint64_t> mask = mask_of(matcher, vocabulary);
    std::vector<TokenId> prefixes;
    for (TokenId id = 0; id < static_cast<TokenId>(vocabulary.size()); ++id) {
      const std::string_view bytes = vocabulary.token_bytes(id);
      if (bytes.empty() || text.compare(at, bytes.size(), bytes) != 0) continue;
      ASSERT_TRUE(is_set(mask, id)) << text << " at " << at << " token " << bytes;
      prefixes.push_back(id);
    }
    const TokenId token = prefixes[dice.roll(prefixes.size())];
    ASSERT_TRUE(matcher.accept(token));
    at += vocabulary.token_bytes(token).size();
  }
  EXPECT_TRUE(matcher.can_end()) << text;
}

TEST(JsonSchema, RandomInstancesPassAndRandomTextsAreInstances) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Dice dice(seed);
    SchemaMaker maker(dice);
    const json::Value schema = maker.schema(3);
    const SlowValidator validator(schema);
    SCOPED_TRACE(json::dump(schema));
    const auto grammar = compile(Grammar::from_json_schema(schema, {.max_whitespace = 3}));
    for (int i = 0; i < 4; ++i) {
      const json::Value instance = maker.instance(schema);
      ASSERT_TRUE(validator.holds(instance)) << json::dump(instance);
      expect_tokenisable(grammar, json::dump(instance), dice);
      expect_tokenisable(grammar, json::dump(instance, json::Style::kPython), dice);
      const std::string text = random_text(grammar, dice, dice.roll(20), 800);
      if (!text.empty()) {
        EXPECT_TRUE(validator.holds(json::parse(text, "text", 1000))) << text;
      }
    }
  }
}

}  // namespace
}  // namespace fathom::grammar
