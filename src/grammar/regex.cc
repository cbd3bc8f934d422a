#include "grammar/regex.h"

#include <array>
#include <utility>

#include "grammar/pattern_scanner.h"
#include "tokenizer/unicode_class.h"

namespace fathom::grammar {
namespace {

constexpr int kMaxDepth = 100;  // groups in groups

const CodePointSet& digit_set() {
  static const CodePointSet set = {{'0', '9'}};
  return set;
}

const CodePointSet& word_set() {
  static const CodePointSet set = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return set;
}

// ECMAScript's white space and line ends.
const CodePointSet& space_set() {
  static const CodePointSet set = {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                                   {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                                   {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  return set;
}

const CodePointSet& line_end_set() {
  static const CodePointSet set = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
  return set;
}

CodePointSet scan_category(uint8_t kind) {
  CodePointSet set;
  uint32_t begin = 0;
  bool is_in = false;
  for (uint32_t c = 0; c <= kMaxCodePoint + 1; ++c) {
    const bool is_kind = c <= kMaxCodePoint && (tokenizer::char_class(static_cast<int32_t>(c)) & kind) != 0;
    if (is_kind && !is_in) begin = c;
    if (!is_kind && is_in) set.add(begin, c - 1);
    is_in = is_kind;
  }
  return set;
}

// A general category by its short or long name; nothing when it is not known here.
const CodePointSet* category_set(std::string_view name) {
  struct Category {
    std::string_view name;
    std::string_view long_name;
    CodePointSet set;
  };
  static const std::array<Category, 5> kCategories = {{
      {"L", "Letter", scan_category(tokenizer::kLetter)},
      {"M", "Mark", scan_category(tokenizer::kMark)},
      {"N", "Number", scan_category(tokenizer::kNumber)},
      {"P", "Punctuation", scan_category(tokenizer::kPunctuation)},
      {"S", "Symbol", scan_category(tokenizer::kSymbol)},
  }};
  for (const Category& category : kCategories) {
    if (name == category.name || name == category.long_name) return &category.set;
  }
  return nullptr;
}

class RegexParser {
 public:
  RegexParser(Grammar& grammar, std::string_view pattern, const RegexOptions& options)
      : grammar_(grammar), scanner_(pattern, "regular expression"), options_(options) {}

  NodeId parse() {
    std::vector<NodeId> branches;
    do {
      branches.push_back(outer_branch());
    } while (scanner_.accept("|"));
    if (!scanner_.at_end()) scanner_.fail("unexpected ')'");
    return grammar_.choice(std::move(branches));
  }

 private:
  // A branch outside of all groups, where anchors are understood.
  NodeId outer_branch() {
    std::vector<NodeId> parts;
    bool is_at_start = !options_.is_search;
    while (scanner_.accept("^")) is_at_start = true;
    if (!is_at_start) parts.push_back(anything());
    terms(parts, 0);
    bool is_at_end = !options_.is_search;
    while (scanner_.accept("$")) is_at_end = true;
    if (!scanner_.at_end() && scanner_.peek() != '|' && scanner_.peek() != ')') {
      scanner_.fail("'$' is supported at the end of a branch only", ErrorCode::kUnsupported);
    }
    if (!is_at_end) parts.push_back(anything());
    return grammar_.sequence(std::move(parts));
  }

  NodeId anything() { return grammar_.repeat(options_.spell(grammar_, CodePointSet::all()), 0, kUnbounded); }

  void terms(std::vector<NodeId>& parts, int depth) {
    while (!scanner_.at_end() && scanner_.peek() != '|' && scanner_.peek() != ')' && scanner_.peek() != '$') {
      NodeId node = atom(depth);
      if (const auto count = scanner_.repeat_count()) {
        scanner_.accept("?");  // a lazy repeat matches the same texts
        node = grammar_.repeat(node, count->min, count->max);
        const char next = scanner_.peek();
        if (next == '*' || next == '+' || next == '?' || next == '{') scanner_.fail("nothing to repeat");
      }
      parts.push_back(node);
    }
  }

  NodeId atom(int depth) {
    switch (scanner_.peek()) {
      case '(':
        scanner_.skip();
        return group(depth + 1);
      case '[':
        scanner_.skip();
        return spell(scanner_.bracket([this](CodePointSet& set) { return escape(set, true); }));
      case '.':
        scanner_.skip();
        return spell(line_end_set().complement());
      case '^':
        scanner_.fail("'^' is supported at the start of a branch only", ErrorCode::kUnsupported);
      case '*':
      case '+':
      case '?':
      case '{':
        scanner_.fail("nothing to repeat");
      default:
        break;
    }
    CodePointSet set;
    const std::optional<uint32_t> c = scanner_.accept("\\") ? escape(set, false) : scanner_.next();
    if (c) set.add(*c, *c);
    return spell(set);
  }

  NodeId spell(const CodePointSet& set) { return set.empty() ? grammar_.never() : options_.spell(grammar_, set); }

  NodeId group(int depth) {
    if (depth > kMaxDepth) scanner_.fail("groups nest too deeply", ErrorCode::kUnsupported);
    if (scanner_.accept("?")) {
      const char next = scanner_.peek(1);
      if (scanner_.peek() == '<' && next != '=' && next != '!') {
        while (scanner_.next() != '>') {
        }
      } else if (!scanner_.accept(":")) {
        scanner_.fail("look-around and flags are not supported", ErrorCode::kUnsupported);
      }
    }
    std::vector<NodeId> branches;
    do {
      std::vector<NodeId> parts;
      terms(parts, depth);
      if (scanner_.peek() == '$') scanner_.fail("'$' within a group is not supported", ErrorCode::kUnsupported);
      branches.push_back(grammar_.sequence(std::move(parts)));
    } while (scanner_.accept("|"));
    if (!scanner_.accept(")")) scanner_.fail("expected ')'");
    return grammar_.choice(std::move(branches));
  }

  std::optional<uint32_t> escape(CodePointSet& set, bool is_in_class) {
    const uint32_t c = scanner_.next();
    switch (c) {
      case 'd':
        return add(set, digit_set());
      case 'D':
        return add(set, digit_set().complement());
      case 'w':
        return add(set, word_set());
      case 'W':
        return add(set, word_set().complement());
      case 's':
        return add(set, space_set());
      case 'S':
        return add(set, space_set().complement());
      case 'p':
        return add(set, category());
      case 'P':
        return add(set, category().complement());
      default:
        break;
    }
    if (c == 'b' && is_in_class) return '\b';
    return character_escape(c);
  }

  static std::nullopt_t add(CodePointSet& set, const CodePointSet& more) {
    set.add(more);
    return std::nullopt;
  }

  const CodePointSet& category() {
    if (!scanner_.accept("{")) scanner_.fail("expected '{'");
    std::string name;
    for (uint32_t c = scanner_.next(); c != '}'; c = scanner_.next()) name += static_cast<char>(c);
    const CodePointSet* set = category_set(name);
    if (set == nullptr) scanner_.fail("this category is not supported; L, M, N, P, S are", ErrorCode::kUnsupported);
    return *set;
  }

  uint32_t character_escape(uint32_t c) {
    static const std::pair<char, uint32_t> kNamed[] = {{'t', '\t'}, {'n', '\n'}, {'r', '\r'},
                                                       {'f', '\f'}, {'v', '\v'}, {'0', 0}};
    for (const auto& [name, value] : kNamed) {
      if (c != static_cast<uint32_t>(name)) continue;
      if (c == '0' && scanner_.peek() >= '0' && scanner_.peek() <= '9') scanner_.fail("octal is not supported");
      return value;
    }
    if (c == 'x') return scanner_.hex(2);
    if (c == 'u') return unicode_escape();
    if (c == 'b' || c == 'B') scanner_.fail("word boundaries are not supported", ErrorCode::kUnsupported);
    if ((c >= '1' && c <= '9') || c == 'k') {
      scanner_.fail("back-references are not supported", ErrorCode::kUnsupported);
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) scanner_.fail("unknown escape");
    return c;
  }

  uint32_t unicode_escape() {
    if (scanner_.accept("{")) {
      size_t digits = 0;
      while (scanner_.peek(digits) != '}' && digits < 7) ++digits;
      const uint32_t c = scanner_.hex(digits);
      if (!scanner_.accept("}") || c > kMaxCodePoint || digits == 0) scanner_.fail("no such character");
      return c;
    }
    const uint32_t unit = scanner_.hex(4);
    if (unit < 0xD800 || unit > 0xDBFF || !scanner_.accept("\\u")) return unit;
    const uint32_t low = scanner_.hex(4);
    if (low < 0xDC00 || low > 0xDFFF) scanner_.fail("a high surrogate wants a low one");
    return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  }

  Grammar& grammar_;
  PatternScanner scanner_;
  const RegexOptions& options_;
};

}  // namespace

NodeId regex_node(Grammar& grammar, std::string_view pattern, const RegexOptions& options) {
  return RegexParser(grammar, pattern, options).parse();
}

Grammar Grammar::from_regex(std::string_view pattern) {
  Grammar grammar;
  const NodeId node = regex_node(grammar, pattern);
  grammar.set_root(grammar.add_rule("root", node));
  return grammar;
}

}  // namespace fathom::grammar
