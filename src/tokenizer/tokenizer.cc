#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <queue>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

constexpr uint64_t key_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

const Tokenizer::Pair* Tokenizer::pair_of(int32_t left, int32_t right) const {
  const auto found = merges_.find(key_of(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

// Merges the pair of lowest rank, leftmost first, until none is left. Candidates wait in a heap over a linked list of
// symbols, so a piece of n bytes takes n log n steps.
void Tokenizer::merge(std::string_view piece, std::vector<int32_t>& ids) const {
  struct Symbol {
    int32_t id;
    int32_t previous, next;  // -1: none; a symbol that was merged away has id -1
  };
  struct Candidate {
    int32_t rank, left, left_id, right_id;
    bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
  };
  const auto size = static_cast<int32_t>(piece.size());
  std::vector<Symbol> symbols(piece.size());
  for (int32_t i = 0; i < size; ++i) {
    symbols[static_cast<size_t>(i)] = {byte_ids_[static_cast<uint8_t>(piece[static_cast<size_t>(i)])], i - 1,
                                       i + 1 < size ? i + 1 : -1};
  }
  std::vector<Candidate> initial;
  const auto candidate_at = [&](int32_t left) -> std::optional<Candidate> {
    const Symbol& symbol = symbols[static_cast<size_t>(left)];
    if (symbol.next < 0) return std::nullopt;
    const int32_t right_id = symbols[static_cast<size_t>(symbol.next)].id;
    const Pair* pair = pair_of(symbol.id, right_id);
    if (pair == nullptr) return std::nullopt;
    return Candidate{pair->rank, left, symbol.id, right_id};
  };
  for (int32_t i = 0; i + 1 < size; ++i) {
    if (const auto candidate = candidate_at(i)) initial.push_back(*candidate);
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap(std::greater<>(), std::move(initial));
  while (!heap.empty()) {
    const Candidate best = heap.top();
    heap.pop();
    Symbol& left = symbols[static_cast<size_t>(best.left)];
    if (left.id != best.left_id || left.next < 0) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (right.id != best.right_id) continue;
    left.id = pair_of(best.left_id, best.right_id)->product;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = best.left;
    if (const auto candidate = candidate_at(best.left)) heap.push(*candidate);
    if (left.previous >= 0) {
      if (const auto candidate = candidate_at(left.previous)) heap.push(*candidate);
    }
  }
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next) {
    ids.push_back(symbols[static_cast<size_t>(i)].id);
  }
}

void Tokenizer::encode_piece(std::string_view piece, std::vector<int32_t>& ids) const {
  if (const auto whole = by_bytes_.find(piece); whole != by_bytes_.end()) {
    ids.push_back(whole->second);
  } else if (!piece.empty()) {
    merge(piece, ids);
  }
}

void Tokenizer::encode_plain(std::string_view text, std::vector<int32_t>& ids) const {
  std::vector<size_t> ends;
  pre_tokenizer_->split(text, ends);
  size_t begin = 0;
  for (const size_t end : ends) {
    encode_piece(text.substr(begin, end - begin), ids);
    begin = end;
  }
}

size_t Tokenizer::added_at(std::string_view text, size_t at, int32_t& id) const {
  for (size_t length = std::min(longest_added_, text.size() - at); length > 0; --length) {
    const auto found = added_.find(std::string(text.substr(at, length)));
    if (found == added_.end()) continue;
    id = found->second;
    return length;
  }
  return 0;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool parse_special) const {
  const std::string valid = valid_utf8(text);
  const std::string_view all(valid);
  std::vector<int32_t> ids;
  size_t begin = 0;
  for (size_t at = 0; parse_special && at < all.size();) {
    int32_t id = 0;
    const size_t length = added_first_[static_cast<uint8_t>(all[at])] ? added_at(all, at, id) : 0;
    if (length == 0) {
      ++at;
      continue;
    }
    encode_plain(all.substr(begin, at - begin), ids);
    ids.push_back(id);
    begin = at += length;
  }
  encode_plain(all.substr(begin), ids);
  return ids;
}

std::vector<int32_t> Tokenizer::encode(std::span<const Segment> segments) const {
  std::vector<int32_t> ids;
  std::string plain;
  const auto flush = [&] {
    encode_plain(valid_utf8(plain), ids);
    plain.clear();
  };
  for (const Segment& segment : segments) {
    if (!segment.control) {
      plain += segment.text;
      continue;
    }
    flush();
    ids.push_back(*segment.control);
  }
  flush();
  return ids;
}

const std::string& Tokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    fail(ErrorCode::kInvalidArgument, "token", "{} is outside of the tokenizer's {} ids", id, vocab_size());
  }
  return bytes_[static_cast<size_t>(id)];
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size() && is_special_[static_cast<size_t>(id)];
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string out;
  for (const int32_t id : ids) {
    if (!skip_special || !is_special(id)) out += token_bytes(id);
  }
  return out;
}

std::optional<int32_t> Tokenizer::find(std::string_view text) const {
  const auto found = added_.find(std::string(text));
  return found == added_.end() ? std::nullopt : std::optional(found->second);
}

std::string StreamDecoder::push(int32_t id) {
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  held_ += tokenizer_->token_bytes(id);
  const size_t keep = incomplete_utf8_tail(held_);
  std::string out = valid_utf8(std::string_view(held_).substr(0, held_.size() - keep));
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string StreamDecoder::finish() {
  std::string out = valid_utf8(held_);
  held_.clear();
  return out;
}

}  // namespace fathom::tokenizer
