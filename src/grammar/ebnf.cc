// EBNF in the notation that GBNF files use: name ::= "text" [a-z] . (group) name | name, with ? * + {m,n} and #
// comments.

#include <map>
#include <set>

#include "grammar/pattern_scanner.h"
#include "tokenizer/utf8.h"

namespace fathom::grammar {
namespace {

constexpr int kMaxDepth = 100;  // groups in groups

class EbnfParser {
 public:
  EbnfParser(Grammar& grammar, std::string_view text) : grammar_(grammar), scanner_(text, "EBNF") {}

  void parse() {
    skip_blank();
    while (!scanner_.at_end()) {
      const std::string name = rule_name();
      skip_blank();
      if (!scanner_.accept("::=")) scanner_.fail("expected '::='");
      const RuleId rule = rule_of(name);
      if (!defined_.insert(name).second) scanner_.fail("rule '" + name + "' is defined twice");
      grammar_.define(rule, alternatives(0));
    }
    if (defined_.count("root") == 0) scanner_.fail("there is no rule 'root'");
    for (const auto& [name, rule] : rules_) {
      if (defined_.count(name) == 0) scanner_.fail("rule '" + name + "' is used but not defined");
    }
    grammar_.set_root(rules_.at("root"));
  }

 private:
  void skip_blank() {
    while (!scanner_.at_end()) {
      if (scanner_.peek() == '#') {
        while (!scanner_.at_end() && scanner_.peek() != '\n') scanner_.skip();
      } else if (is_blank(scanner_.peek())) {
        scanner_.skip();
      } else {
        return;
      }
    }
  }

  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  }

  // Bytes of the name that is next; 0 when there is none.
  size_t name_length() const {
    size_t length = 0;
    while (is_name_char(scanner_.peek(length))) ++length;
    return length;
  }

  std::string rule_name() {
    std::string name;
    for (size_t left = name_length(); left > 0; --left) name += static_cast<char>(scanner_.next());
    if (name.empty()) scanner_.fail("expected the name of a rule");
    return name;
  }

  // Whether the name that is next begins another rule. Line ends mean nothing, so this ends a body.
  bool begins_rule() const {
    size_t at = name_length();
    while (is_blank(scanner_.peek(at))) ++at;
    return scanner_.peek(at) == ':' && scanner_.peek(at + 1) == ':' && scanner_.peek(at + 2) == '=';
  }

  RuleId rule_of(const std::string& name) {
    const auto [found, is_new] = rules_.try_emplace(name, 0);
    if (is_new) found->second = grammar_.add_rule(name);
    return found->second;
  }

  NodeId alternatives(int depth) {
    if (depth > kMaxDepth) scanner_.fail("groups nest too deeply", ErrorCode::kUnsupported);
    std::vector<NodeId> branches;
    do {
      std::vector<NodeId> parts;
      for (skip_blank(); begins_item(); skip_blank()) parts.push_back(item(depth));
      branches.push_back(grammar_.sequence(std::move(parts)));
    } while (scanner_.accept("|"));
    return grammar_.choice(std::move(branches));
  }

  bool begins_item() const {
    const char c = scanner_.peek();
    if (is_name_char(c)) return !begins_rule();
    return c == '"' || c == '[' || c == '(' || c == '.';
  }

  NodeId item(int depth) {
    NodeId node = single(depth);
    while (const auto count = scanner_.repeat_count()) node = grammar_.repeat(node, count->min, count->max);
    return node;
  }

  NodeId single(int depth) {
    if (scanner_.accept("\"")) return quoted();
    if (scanner_.accept("[")) {
      const CodePointSet set = scanner_.bracket([this](CodePointSet&) { return escape(); });
      return set.empty() ? grammar_.never() : utf8_node(grammar_, set);
    }
    if (scanner_.accept(".")) return utf8_node(grammar_, CodePointSet::all());
    if (!scanner_.accept("(")) return grammar_.call(rule_of(rule_name()));
    const NodeId node = alternatives(depth + 1);
    if (!scanner_.accept(")")) scanner_.fail("expected ')'");
    return node;
  }

  NodeId quoted() {
    std::string raw;
    while (!scanner_.accept("\"")) {
      if (!scanner_.accept("\\")) {
        tokenizer::append_utf8(raw, static_cast<int32_t>(scanner_.next()));
        continue;
      }
      const uint32_t c = escape();
      if (c >= 0xD800 && c <= 0xDFFF) scanner_.fail("a surrogate is no character");
      tokenizer::append_utf8(raw, static_cast<int32_t>(c));
    }
    return grammar_.literal(raw);
  }

  uint32_t escape() {
    const uint32_t c = scanner_.next();
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'x':
        return scanner_.hex(2);
      case 'u':
        return scanner_.hex(4);
      case 'U':
        if (const uint32_t wide = scanner_.hex(8); wide <= kMaxCodePoint) return wide;
        scanner_.fail("no such character");
      default:
        break;
    }
    const bool is_plain = c < 0x80 && !is_name_char(static_cast<char>(c));
    if (!is_plain && c != '-' && c != '_') scanner_.fail("unknown escape");
    return c;
  }

  Grammar& grammar_;
  PatternScanner scanner_;
  std::map<std::string, RuleId> rules_;
  std::set<std::string> defined_;
};

}  // namespace

Grammar Grammar::from_ebnf(std::string_view text) {
  Grammar grammar;
  EbnfParser(grammar, text).parse();
  return grammar;
}

}  // namespace fathom::grammar
