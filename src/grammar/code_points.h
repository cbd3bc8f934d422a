#pragma once
// Sets of characters, and the bytes that spell them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/grammar.h"

namespace fathom::grammar {

constexpr uint32_t kMaxCodePoint = 0x10FFFF;

struct CodePointRange {
  uint32_t low;
  uint32_t high;
};

// Ranges that are kept sorted and apart.
class CodePointSet {
 public:
  CodePointSet() = default;
  CodePointSet(std::initializer_list<CodePointRange> ranges);
  // Every code point but the surrogates, which UTF-8 has no bytes for.
  static CodePointSet all();

  void add(uint32_t low, uint32_t high);
  void add(const CodePointSet& other);
  // Those of all() that are not in the set.
  CodePointSet complement() const;
  CodePointSet without(const CodePointSet& other) const;

  bool empty() const { return ranges_.empty(); }
  bool contains(uint32_t code_point) const;
  const std::vector<CodePointRange>& ranges() const { return ranges_; }

 private:
  std::vector<CodePointRange> ranges_;
};

// One character of the set as UTF-8. Surrogates are left out.
NodeId utf8_node(Grammar& grammar, const CodePointSet& set);

// One character of the set as it stands within a JSON string, spelt as json::quote does: raw where JSON allows it, else
// by its short escape or \u00xx.
NodeId json_char_node(Grammar& grammar, const CodePointSet& set);

// The same as one of the two above; what a front end needs to know of its characters.
using CharSpelling = NodeId (*)(Grammar& grammar, const CodePointSet& set);

// Texts of equal length between `low` and `high`, byte by byte in [first, last] behind the first byte: one sequence of
// ranges for each part. "17".."42" over digits: 1[7-9], [2-3][0-9], 4[0-2].
std::vector<std::vector<ByteRange>> split_range(const std::string& low, const std::string& high, char first, char last);

// A choice of such sequences.
NodeId sequences_node(Grammar& grammar, const std::vector<std::vector<ByteRange>>& sequences);

}  // namespace fathom::grammar
