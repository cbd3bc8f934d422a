#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "base/check.h"

namespace fathom::tokenizer {
namespace {

// Up to this many symbols the lowest rank is found by walking over all of them: no heap, no links, a few cache lines.
constexpr size_t kShortPiece = 48;

uint64_t mixed(uint64_t x) {
  x *= 0x9E3779B97F4A7C15ULL;
  x ^= x >> 32;
  x *= 0xD6E8FEB86659FD93ULL;
  return x ^ x >> 32;
}

// Eight bytes at a time; pieces are short.
uint64_t hash_of(std::string_view bytes) {
  uint64_t hash = bytes.size();
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    hash = mixed(hash ^ word);
  }
  uint64_t rest = 0;
  if (at < bytes.size()) std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
  return mixed(hash ^ rest);
}

// Slots for `count` entries at most half full.
size_t slots_for(size_t count) { return std::bit_ceil(std::max<size_t>(16, 2 * count)); }

}  // namespace

void TokenBytes::push_back(std::string_view bytes) {
  pool += bytes;
  begins.push_back(pool.size());
}

Bpe::Bpe(const TokenBytes& tokens, std::span<const TokenId> entries, std::span<const Merge> merges,
         const ByteTokens& bytes, bool ignore_merges)
    : tokens_(tokens),
      bytes_(bytes),
      ignore_merges_(ignore_merges),
      entry_slots_(slots_for(entries.size()), -1),
      entry_tags_(entry_slots_.size(), 0),
      merge_slots_(slots_for(merges.size())),
      byte_pair_ranks_(size_t{256} * 256),
      rebuilds_(std::make_unique<std::atomic<uint8_t>[]>(tokens.size())) {
  for (const TokenId id : entries) {
    const std::string_view entry = tokens[static_cast<size_t>(id)];
    longest_entry_ = std::max(longest_entry_, entry.size());
    const uint64_t hash = hash_of(entry);
    const size_t mask = entry_slots_.size() - 1;
    size_t at = hash & mask;
    while (entry_slots_[at] >= 0) at = (at + 1) & mask;
    entry_slots_[at] = id;
    entry_tags_[at] = static_cast<uint32_t>(hash >> 32);
  }
  for (const Merge& m : merges) {
    const size_t mask = merge_slots_.size() - 1;
    const uint64_t pair = pair_of(m.left, m.right);
    size_t at = mixed(pair) & mask;
    while (merge_slots_[at].pair != kEmpty && merge_slots_[at].pair != pair) at = (at + 1) & mask;
    merge_slots_[at] = {pair, m.rank, m.product};
  }
  for (size_t left = 0; left < 256; ++left) {
    for (size_t right = 0; right < 256; ++right) {
      byte_pair_ranks_[left * 256 + right] = rank_of(bytes_[left], bytes_[right]);
    }
  }
}

TokenId Bpe::find(std::string_view bytes) const {
  if (bytes.empty() || bytes.size() > longest_entry_) return -1;
  const uint64_t hash = hash_of(bytes);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const size_t mask = entry_slots_.size() - 1;
  for (size_t at = hash & mask; entry_slots_[at] >= 0; at = (at + 1) & mask) {
    if (entry_tags_[at] == tag && tokens_[static_cast<size_t>(entry_slots_[at])] == bytes) return entry_slots_[at];
  }
  return -1;
}

const Bpe::Slot* Bpe::find_merge(TokenId left, TokenId right) const {
  const uint64_t pair = pair_of(left, right);
  const size_t mask = merge_slots_.size() - 1;
  for (size_t at = mixed(pair) & mask; merge_slots_[at].pair != kEmpty; at = (at + 1) & mask) {
    if (merge_slots_[at].pair == pair) return &merge_slots_[at];
  }
  return nullptr;
}

uint32_t Bpe::rank_of(TokenId left, TokenId right) const {
  const Slot* slot = find_merge(left, right);
  return slot == nullptr ? kNoRank : slot->rank;
}

void Bpe::encode(std::string_view piece, std::vector<TokenId>& out, Scratch& scratch) const {
  if (piece.empty()) return;
  if (piece.size() == 1 && !ignore_merges_) {
    out.push_back(bytes_[static_cast<uint8_t>(piece[0])]);
    return;
  }
  const TokenId entry = find(piece);
  if (entry >= 0 && (ignore_merges_ || rebuilds_itself(entry, piece, scratch))) {
    out.push_back(entry);
    return;
  }
  const size_t count = merge(piece, scratch);
  out.insert(out.end(), scratch.ids.begin(), scratch.ids.begin() + static_cast<std::ptrdiff_t>(count));
}

bool Bpe::rebuilds_itself(TokenId entry, std::string_view bytes, Scratch& scratch) const {
  std::atomic<uint8_t>& known = rebuilds_[static_cast<size_t>(entry)];
  const uint8_t state = known.load(std::memory_order_relaxed);
  if (state != 0) return state == 1;
  const bool does = merge(bytes, scratch) == 1 && scratch.ids[0] == entry;
  known.store(does ? 1 : 2, std::memory_order_relaxed);
  return does;
}

size_t Bpe::merge(std::string_view piece, Scratch& scratch) const {
  const size_t count = piece.size();
  FATHOM_CHECK_MSG(count < kNoRank, "piece of {} bytes", count);
  scratch.ids.resize(count);
  scratch.ranks.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const auto byte = static_cast<uint8_t>(piece[i]);
    scratch.ids[i] = bytes_[byte];
    if (i + 1 < count) scratch.ranks[i] = byte_pair_ranks_[byte * size_t{256} + static_cast<uint8_t>(piece[i + 1])];
  }
  scratch.ranks[count - 1] = kNoRank;  // of the pair that begins at i; the last symbol begins none
  return count <= kShortPiece ? merge_short(count, scratch) : merge_long(count, scratch);
}

size_t Bpe::merge_short(size_t count, Scratch& scratch) const {
  TokenId* ids = scratch.ids.data();
  uint32_t* ranks = scratch.ranks.data();
  while (count > 1) {
    const size_t at = static_cast<size_t>(std::min_element(ranks, ranks + count) - ranks);
    if (ranks[at] == kNoRank) break;
    ids[at] = find_merge(ids[at], ids[at + 1])->product;
    std::copy(ids + at + 2, ids + count, ids + at + 1);
    std::copy(ranks + at + 2, ranks + count, ranks + at + 1);
    --count;
    ranks[at] = at + 1 < count ? rank_of(ids[at], ids[at + 1]) : kNoRank;
    if (at > 0) ranks[at - 1] = rank_of(ids[at - 1], ids[at]);
  }
  return count;
}

// Linked symbols and a heap of (rank, place); entries of the heap that are out of date are dropped when they come up.
size_t Bpe::merge_long(size_t count, Scratch& scratch) const {
  std::vector<TokenId>& ids = scratch.ids;
  std::vector<uint32_t>& ranks = scratch.ranks;
  std::vector<uint32_t>& next = scratch.next;
  std::vector<uint32_t>& previous = scratch.previous;
  std::vector<uint64_t>& heap = scratch.heap;
  next.resize(count);
  previous.resize(count);
  heap.clear();
  const auto end = static_cast<uint32_t>(count);
  for (uint32_t i = 0; i < end; ++i) {
    next[i] = i + 1;
    previous[i] = i - 1;
    if (ranks[i] != kNoRank) heap.push_back(uint64_t{ranks[i]} << 32 | i);
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto set_rank = [&](uint32_t at) {
    ranks[at] = next[at] < end ? rank_of(ids[at], ids[next[at]]) : kNoRank;
    if (ranks[at] == kNoRank) return;
    heap.push_back(uint64_t{ranks[at]} << 32 | at);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    const uint64_t top = heap.front();
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    const auto at = static_cast<uint32_t>(top);
    if (ranks[at] != top >> 32) continue;
    const uint32_t gone = next[at];
    ids[at] = find_merge(ids[at], ids[gone])->product;
    ranks[gone] = kNoRank;
    next[at] = next[gone];
    if (next[at] < end) previous[next[at]] = at;
    set_rank(at);
    if (at > 0) set_rank(previous[at]);
  }
  size_t kept = 0;
  for (uint32_t i = 0; i < end; i = next[i]) ids[kept++] = ids[i];
  return kept;
}

}  // namespace fathom::tokenizer
