// JSON Schema as a grammar: a rule for each set of schemas that hold together at some place of the text.

#include <algorithm>
#include <map>

#include "base/json.h"
#include "grammar/json_rules.h"
#include "grammar/regex.h"
#include "grammar/schema_facts.h"
#include "tokenizer/utf8.h"

namespace fathom::grammar {
namespace {

constexpr size_t kMaxSchemas = 10'000;      // sets of schemas, each a rule
constexpr uint32_t kMaxCount = 100'000;     // of minLength and its like: states are not without end
constexpr size_t kMaxAlternatives = 1'000;  // of one anyOf

class SchemaCompiler {
 public:
  SchemaCompiler(Grammar& grammar, const boost::json::value& schema, const JsonOptions& options)
      : grammar_(grammar), document_(schema), json_(grammar, options) {}

  void compile() {
    Conjunction root;
    document_.add(root, document_.root());
    const NodeId value = node_of(std::move(root), "#");
    grammar_.set_root(grammar_.add_rule("root", grammar_.sequence({json_.space(), value, json_.space()})));
    // Rules are written one after the other, so that schemas may refer to each other in any depth.
    for (size_t at = 0; at < pending_.size(); ++at) {
      const Pending next = pending_[at];
      grammar_.define(next.rule, body_of(*next.conjunction, next.path));
    }
  }

 private:
  using Key = std::vector<std::pair<const void*, uint8_t>>;
  struct Pending {
    RuleId rule;
    const Conjunction* conjunction;
    std::string path;
  };

  static Key key_of(const Conjunction& conjunction) {
    Key key;
    for (const SchemaPart& part : conjunction.parts) key.emplace_back(part.schema, part.done);
    std::sort(key.begin(), key.end());
    return key;
  }

  // A value that the schemas admit.
  NodeId node_of(Conjunction conjunction, const std::string& path) {
    if (conjunction.is_never) return grammar_.never();
    if (conjunction.parts.empty()) return json_.value();
    const auto [found, is_new] = rules_.try_emplace(key_of(conjunction));
    if (is_new) {
      if (rules_.size() > kMaxSchemas) {
        fail(ErrorCode::kUnsupported, "schema: " + path, "more than {} schemas hold together", kMaxSchemas);
      }
      found->second.conjunction = std::move(conjunction);
      found->second.rule = grammar_.add_rule(path);
      pending_.push_back({found->second.rule, &found->second.conjunction, path});
    }
    return grammar_.call(found->second.rule);
  }

  NodeId body_of(const Conjunction& conjunction, const std::string& path) {
    SchemaPart split;
    std::vector<Conjunction> branches = document_.alternatives(conjunction, split);
    if (!branches.empty()) return choice_of(branches, split, path);
    const SchemaFacts facts = gather_facts(conjunction);
    if (facts.values) return values_of(facts);
    std::vector<NodeId> choices;
    const auto add = [&](uint8_t bits, auto make) {
      if ((facts.types & bits) != 0) choices.push_back(make());
    };
    add(kObject, [&] { return object_of(facts, path); });
    add(kArray, [&] { return array_of(facts, path); });
    add(kString, [&] { return string_of(facts, path); });
    add(kWhole | kFractional, [&] { return number_of(facts); });
    add(kBoolean, [&] { return grammar_.choice({json_.word("true"), json_.word("false")}); });
    add(kNull, [&] { return json_.word("null"); });
    return grammar_.choice(std::move(choices));
  }

  NodeId choice_of(std::vector<Conjunction>& branches, const SchemaPart& split, const std::string& path) {
    const bool is_one = (split.done & SchemaPart::kOneOf) != 0;
    if (branches.size() > kMaxAlternatives) {
      fail_keyword(ErrorCode::kUnsupported, path, is_one ? "oneOf" : "anyOf", "has too many alternatives");
    }
    for (size_t i = 0; is_one && i < branches.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        if (are_disjoint(document_, branches[k], branches[i])) continue;
        fail_keyword(ErrorCode::kUnsupported, split.path, "oneOf",
                     fmt::format("has alternatives that one value may match both: {} and {}; use anyOf", k, i));
      }
    }
    std::vector<NodeId> choices;
    for (Conjunction& branch : branches) choices.push_back(node_of(std::move(branch), path));
    return grammar_.choice(std::move(choices));
  }

  // Scalars and keys stand as json::dump writes them; white space is free.
  NodeId constant(const boost::json::value& value) {
    std::vector<ListItem> items;
    if (value.is_object()) {
      for (const auto& member : value.get_object()) {
        const NodeId key = grammar_.literal(json::quote(std::string_view(member.key())));
        items.push_back({json_.member(key, constant(member.value())), Occurs::kOnce});
      }
      return json_.object_of(items);
    }
    if (!value.is_array()) return grammar_.literal(json::dump(value));
    for (const auto& item : value.get_array()) items.push_back({constant(item), Occurs::kOnce});
    return json_.array_of(items);
  }

  NodeId values_of(const SchemaFacts& facts) {
    std::vector<NodeId> choices;
    for (const auto* value : facts.values.value()) {
      if (admits(document_, *facts.conjunction, *value)) choices.push_back(constant(*value));
    }
    return grammar_.choice(std::move(choices));
  }

  NodeId object_of(const SchemaFacts& facts, const std::string& path) {
    if (facts.has_free_objects) return json_.object();
    const std::vector<std::string> names = property_names(facts);
    std::vector<ListItem> members;
    for (const std::string& name : names) {
      const NodeId value = node_of(property_schema(document_, facts, name), path + "/properties/" + name);
      const bool is_required = std::find(facts.required.begin(), facts.required.end(), name) != facts.required.end();
      const NodeId key = grammar_.literal(json::quote(name));
      members.push_back({json_.member(key, value), is_required ? Occurs::kOnce : Occurs::kOptional});
    }
    Conjunction extra = extra_property_schema(document_, facts);
    if (!extra.is_never) {
      const NodeId value = node_of(std::move(extra), path + "/additionalProperties");
      members.push_back({json_.member(other_key(names, path), value), Occurs::kMany});
    }
    return json_.object_of(members);
  }

  // A key that is none of `names`. Spelt in one way only, so that none of them can be written with escapes.
  NodeId other_key(const std::vector<std::string>& names, const std::string& path) {
    if (names.empty()) return json_.string();
    KeyNode root;
    for (const std::string& name : names) {
      if (name.size() > kMaxKeyLength) {
        fail_keyword(ErrorCode::kUnsupported, path, "properties", "has too long a name beside additionalProperties");
      }
      KeyNode* at = &root;
      for (size_t i = 0; i < name.size();) {
        const tokenizer::CodePoint c = tokenizer::decode_utf8(name, i);
        at = &at->children[static_cast<uint32_t>(c.value)];
        i += static_cast<size_t>(c.length);
      }
      at->is_name = true;
    }
    return grammar_.sequence({grammar_.literal("\""), key_rest(root), grammar_.literal("\"")});
  }

  static constexpr size_t kMaxKeyLength = 200;

  struct KeyNode {
    std::map<uint32_t, KeyNode> children;
    bool is_name = false;
  };

  NodeId key_rest(const KeyNode& node) {
    const NodeId any = grammar_.repeat(json_char_node(grammar_, CodePointSet::all()), 0, kUnbounded);
    std::vector<NodeId> choices;
    CodePointSet taken;
    for (const auto& [c, child] : node.children) {
      taken.add(c, c);
      choices.push_back(grammar_.sequence({json_char_node(grammar_, {{c, c}}), key_rest(child)}));
    }
    choices.push_back(grammar_.sequence({json_char_node(grammar_, taken.complement()), any}));
    if (!node.is_name) choices.push_back(grammar_.empty());
    return grammar_.choice(std::move(choices));
  }

  NodeId array_of(const SchemaFacts& facts, const std::string& path) {
    if (facts.has_free_arrays) return json_.array();
    const SizeLimits& limits = facts.items;
    check_limits(limits, path, "maxItems");
    if (limits.min > limits.max) return grammar_.never();
    const auto spaced = [&](size_t index) {
      const NodeId item = node_of(item_schema(document_, facts, index), fmt::format("{}/items/{}", path, index));
      return grammar_.sequence({item, json_.space()});
    };
    const NodeId comma = grammar_.sequence({grammar_.literal(","), json_.space()});
    const auto prefix = static_cast<uint32_t>(std::min<size_t>(std::max<size_t>(prefix_length(facts), 1), limits.max));
    if (prefix > kMaxPrefix) fail_keyword(ErrorCode::kUnsupported, path, "prefixItems", "is too long");
    const auto left = [&](uint32_t count) { return count > prefix ? count - prefix : 0; };
    // From the last item to the first: each may be there only if the one before it is.
    NodeId rest = grammar_.empty();
    if (limits.max > prefix) {
      const NodeId more = grammar_.sequence({comma, spaced(prefix)});
      rest = grammar_.repeat(more, left(limits.min), limits.max == kUnbounded ? kUnbounded : left(limits.max));
    }
    for (uint32_t i = prefix; i-- > 0;) {
      rest = i == 0 ? grammar_.sequence({spaced(i), rest}) : grammar_.sequence({comma, spaced(i), rest});
      if (i >= limits.min) rest = grammar_.optional(rest);
    }
    return grammar_.sequence({grammar_.literal("["), json_.space(), rest, grammar_.literal("]")});
  }

  static constexpr uint32_t kMaxPrefix = 300;

  static void check_limits(const SizeLimits& limits, const std::string& path, const char* keyword) {
    if (limits.min > kMaxCount || (limits.max > kMaxCount && limits.max != kUnbounded)) {
      fail_keyword(ErrorCode::kUnsupported, path, keyword, fmt::format("and its like must be {} at most", kMaxCount));
    }
  }

  NodeId string_of(const SchemaFacts& facts, const std::string& path) {
    const SizeLimits& length = facts.length;
    const bool is_limited = length.min > 0 || length.max != kUnbounded;
    check_limits(length, path, "maxLength");
    if (length.min > length.max) return grammar_.never();
    if (facts.text_rules.empty()) {
      if (!is_limited) return json_.string();
      return quoted(grammar_.repeat(json_.character(), length.min, length.max));
    }
    const TextRule& rule = facts.text_rules[0];
    if (is_limited || facts.text_rules.size() > 1) {
      fail_keyword(ErrorCode::kUnsupported, rule.path, rule.keyword,
                   "is not supported beside another pattern, format or length");
    }
    try {
      return quoted(regex_node(grammar_, rule.expression, {.spell = json_char_node, .is_search = rule.is_search}));
    } catch (const Error& error) {
      throw error.within("schema: " + rule.path + "/" + rule.keyword);
    }
  }

  NodeId quoted(NodeId body) { return grammar_.sequence({grammar_.literal("\""), body, grammar_.literal("\"")}); }

  NodeId number_of(const SchemaFacts& facts) {
    const bool is_integer = (facts.types & kFractional) == 0;
    if (!is_integer && !facts.low && !facts.high) return json_.number();
    return number_range_node(grammar_, facts.low, facts.high, is_integer);
  }

  struct Made {
    Conjunction conjunction;
    RuleId rule = 0;
  };

  Grammar& grammar_;
  SchemaDocument document_;
  JsonRules json_;
  std::map<Key, Made> rules_;
  std::vector<Pending> pending_;
};

}  // namespace

Grammar Grammar::from_json_schema(const boost::json::value& schema, const JsonOptions& options) {
  Grammar grammar;
  SchemaCompiler(grammar, schema, options).compile();
  return grammar;
}

}  // namespace fathom::grammar
