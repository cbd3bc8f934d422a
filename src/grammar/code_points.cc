#include "grammar/code_points.h"

#include <algorithm>

#include "base/json.h"
#include "tokenizer/utf8.h"

namespace fathom::grammar {
namespace {

constexpr uint32_t kFirstSurrogate = 0xD800;
constexpr uint32_t kLastSurrogate = 0xDFFF;

std::string utf8_of(uint32_t code_point) {
  std::string out;
  tokenizer::append_utf8(out, static_cast<int32_t>(code_point));
  return out;
}

void append_split(const std::string& low, const std::string& high, char first, char last,
                  std::vector<ByteRange>& prefix, std::vector<std::vector<ByteRange>>& out) {
  const size_t at = prefix.size();
  const auto low_byte = static_cast<uint8_t>(low[at]);
  const auto high_byte = static_cast<uint8_t>(high[at]);
  const size_t rest = low.size() - at - 1;
  const auto add = [&](uint8_t from, uint8_t to, const std::string& next_low, const std::string& next_high) {
    prefix.push_back({from, to});
    if (rest == 0) {
      out.push_back(prefix);
    } else {
      append_split(next_low, next_high, first, last, prefix, out);
    }
    prefix.pop_back();
  };
  if (low_byte == high_byte || rest == 0) return add(low_byte, high_byte, low, high);
  const std::string least = low.substr(0, at + 1) + std::string(rest, first);
  const std::string most = low.substr(0, at + 1) + std::string(rest, last);
  uint8_t from = low_byte;
  uint8_t to = high_byte;
  if (low.substr(at + 1) != std::string(rest, first)) add(from++, low_byte, low, most);
  const bool is_high_cut = high.substr(at + 1) != std::string(rest, last);
  if (is_high_cut) --to;
  if (from <= to) add(from, to, least, most);
  if (is_high_cut) add(high_byte, high_byte, least, high);
}

}  // namespace

CodePointSet::CodePointSet(std::initializer_list<CodePointRange> ranges) {
  for (const CodePointRange& range : ranges) add(range.low, range.high);
}

CodePointSet CodePointSet::all() { return {{0, kFirstSurrogate - 1}, {kLastSurrogate + 1, kMaxCodePoint}}; }

void CodePointSet::add(uint32_t low, uint32_t high) {
  // Appending in order, as tables do, costs nothing.
  if (ranges_.empty() || ranges_.back().high + 1 < low) {
    ranges_.push_back({low, high});
    return;
  }
  ranges_.push_back({low, high});
  std::sort(ranges_.begin(), ranges_.end(), [](const auto& a, const auto& b) { return a.low < b.low; });
  std::vector<CodePointRange> merged;
  for (const CodePointRange& range : ranges_) {
    if (merged.empty() || merged.back().high + 1 < range.low) {
      merged.push_back(range);
    } else {
      merged.back().high = std::max(merged.back().high, range.high);
    }
  }
  ranges_ = std::move(merged);
}

void CodePointSet::add(const CodePointSet& other) {
  for (const CodePointRange& range : other.ranges_) add(range.low, range.high);
}

CodePointSet CodePointSet::complement() const { return all().without(*this); }

CodePointSet CodePointSet::without(const CodePointSet& other) const {
  CodePointSet out;
  for (const CodePointRange& range : ranges_) {
    uint32_t low = range.low;
    bool is_done = false;
    for (const CodePointRange& cut : other.ranges_) {
      if (cut.high < low || cut.low > range.high) continue;
      if (cut.low > low) out.add(low, cut.low - 1);
      is_done = cut.high >= range.high;
      if (is_done) break;
      low = cut.high + 1;
    }
    if (!is_done) out.add(low, range.high);
  }
  return out;
}

bool CodePointSet::contains(uint32_t code_point) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const auto& range) { return range.low <= code_point && code_point <= range.high; });
}

std::vector<std::vector<ByteRange>> split_range(const std::string& low, const std::string& high, char first,
                                                char last) {
  std::vector<std::vector<ByteRange>> out;
  std::vector<ByteRange> prefix;
  append_split(low, high, first, last, prefix, out);
  return out;
}

NodeId sequences_node(Grammar& grammar, const std::vector<std::vector<ByteRange>>& sequences) {
  std::vector<NodeId> choices;
  for (const auto& sequence : sequences) {
    std::vector<NodeId> parts;
    for (const ByteRange& range : sequence) parts.push_back(grammar.bytes({range}));
    choices.push_back(grammar.sequence(std::move(parts)));
  }
  return grammar.choice(std::move(choices));
}

NodeId utf8_node(Grammar& grammar, const CodePointSet& set) {
  // Where UTF-8 becomes longer.
  constexpr uint32_t kLast[] = {0x7F, 0x7FF, 0xFFFF, kMaxCodePoint};
  const CodePointSet valid = set.without({{kFirstSurrogate, kLastSurrogate}});
  std::vector<ByteRange> ascii;
  std::vector<std::vector<ByteRange>> longer;
  for (const CodePointRange& range : valid.ranges()) {
    uint32_t low = range.low;
    for (const uint32_t last : kLast) {
      if (low > last || low > range.high) continue;
      const uint32_t high = std::min(range.high, last);
      if (last == kLast[0]) {
        ascii.push_back({static_cast<uint8_t>(low), static_cast<uint8_t>(high)});
      } else {
        const auto parts = split_range(utf8_of(low), utf8_of(high), '\x80', '\xBF');
        longer.insert(longer.end(), parts.begin(), parts.end());
      }
      low = high + 1;
    }
  }
  if (longer.empty()) return grammar.bytes(ascii);
  const NodeId rest = sequences_node(grammar, longer);
  return ascii.empty() ? rest : grammar.choice({grammar.bytes(ascii), rest});
}

NodeId json_char_node(Grammar& grammar, const CodePointSet& set) {
  const CodePointSet escaped = {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
  std::vector<NodeId> choices;
  const CodePointSet raw = set.without(escaped);
  if (!raw.empty()) choices.push_back(utf8_node(grammar, raw));
  for (const CodePointRange& range : escaped.ranges()) {
    for (uint32_t c = range.low; c <= range.high; ++c) {
      if (!set.contains(c)) continue;
      const std::string quoted = json::quote(std::string(1, static_cast<char>(c)));
      choices.push_back(grammar.literal(std::string_view(quoted).substr(1, quoted.size() - 2)));
    }
  }
  return grammar.choice(std::move(choices));
}

}  // namespace fathom::grammar
