#include "grammar/nfa.h"

#include "base/error.h"

namespace fathom::grammar {
namespace {

// Deeper expressions would need too much of the call stack; front ends that nest more use rules.
constexpr int kMaxDepth = 1000;

class NfaBuilder {
 public:
  NfaBuilder(const Grammar& grammar, const Rule& rule, size_t max_states)
      : grammar_(grammar), rule_(rule), max_states_(max_states) {}

  Nfa build() {
    nfa_.start = add_state();
    nfa_.end = add_state();
    connect(rule_.body, nfa_.start, nfa_.end, 0);
    return std::move(nfa_);
  }

 private:
  uint32_t add_state() {
    if (nfa_.states.size() >= max_states_) {
      fail(ErrorCode::kUnsupported, "grammar", "rule '{}' is too large: more than {} states", rule_.name, max_states_);
    }
    nfa_.states.emplace_back();
    return static_cast<uint32_t>(nfa_.states.size() - 1);
  }

  void skip(uint32_t from, uint32_t to) { nfa_.states[from].empty.push_back(to); }

  // Lays the texts of a node between two states.
  void connect(NodeId id, uint32_t from, uint32_t to, int depth) {
    if (depth > kMaxDepth) fail(ErrorCode::kUnsupported, "grammar", "rule '{}' nests too deeply", rule_.name);
    const Node& node = grammar_.node(id);
    switch (node.kind) {
      case NodeKind::kLiteral:
        return connect_literal(node.text, from, to);
      case NodeKind::kBytes:
        for (const ByteRange& range : node.ranges) {
          nfa_.states[from].bytes.push_back({range.low, range.high, to});
        }
        return;
      case NodeKind::kSequence:
        return connect_sequence(node, from, to, depth);
      case NodeKind::kChoice:
        // A child of its own states: loops inside it must not lead into its siblings.
        for (const NodeId child : node.children) {
          const uint32_t first = add_state();
          const uint32_t last = add_state();
          skip(from, first);
          connect(child, first, last, depth + 1);
          skip(last, to);
        }
        return;
      case NodeKind::kRepeat:
        return connect_repeat(node, from, to, depth);
      case NodeKind::kCall:
        nfa_.states[from].calls.push_back({node.min, to});
        return;
      case NodeKind::kList:
        return connect_list(node, from, to, depth);
    }
  }

  void connect_literal(const std::string& text, uint32_t from, uint32_t to) {
    for (const char c : text) {
      const auto byte = static_cast<uint8_t>(c);
      const uint32_t next = add_state();
      nfa_.states[from].bytes.push_back({byte, byte, next});
      from = next;
    }
    skip(from, to);
  }

  void connect_sequence(const Node& node, uint32_t from, uint32_t to, int depth) {
    for (const NodeId child : node.children) {
      const uint32_t next = add_state();
      connect(child, from, next, depth + 1);
      from = next;
    }
    skip(from, to);
  }

  void connect_repeat(const Node& node, uint32_t from, uint32_t to, int depth) {
    const NodeId child = node.children[0];
    for (uint32_t i = 0; i < node.min; ++i) {
      const uint32_t next = add_state();
      connect(child, from, next, depth + 1);
      from = next;
    }
    if (node.max == kUnbounded) {
      const uint32_t loop = add_state();
      const uint32_t again = add_state();
      skip(from, loop);
      connect(child, loop, again, depth + 1);
      skip(again, loop);
      skip(loop, to);
      return;
    }
    skip(from, to);
    for (uint32_t i = node.min; i < node.max; ++i) {
      const uint32_t next = add_state();
      connect(child, from, next, depth + 1);
      skip(next, to);
      from = next;
    }
  }

  // Two lanes, before and after the first item that is there. On the second a separator stands before each.
  void connect_list(const Node& node, uint32_t from, uint32_t to, int depth) {
    uint32_t bare = add_state();
    uint32_t filled = add_state();
    skip(from, bare);
    for (size_t i = 0; i < node.occurs.size(); ++i) {
      const NodeId item = node.children[i + 1];
      const uint32_t next_bare = add_state();
      const uint32_t next_filled = add_state();
      const uint32_t separated = add_state();
      const uint32_t done = node.occurs[i] == Occurs::kMany ? filled : next_filled;
      connect(item, bare, done, depth + 1);
      connect(node.children[0], filled, separated, depth + 1);
      connect(item, separated, done, depth + 1);
      if (node.occurs[i] != Occurs::kOnce) {
        skip(bare, next_bare);
        skip(filled, next_filled);
      }
      bare = next_bare;
      filled = next_filled;
    }
    skip(bare, to);
    skip(filled, to);
  }

  const Grammar& grammar_;
  const Rule& rule_;
  size_t max_states_;
  Nfa nfa_;
};

}  // namespace

Nfa make_nfa(const Grammar& grammar, const Rule& rule, size_t max_states) {
  return NfaBuilder(grammar, rule, max_states).build();
}

}  // namespace fathom::grammar
