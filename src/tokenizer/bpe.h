#pragma once
// Byte-pair encoding: a piece of text becomes the tokens that its bytes merge into, always the pair of lowest rank
// first, the leftmost on a tie.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/token_id.h"

namespace fathom::tokenizer {

// Two neighbouring tokens that become one. Merges of the same rank are equal: the leftmost goes first.
struct Merge {
  TokenId left;
  TokenId right;
  TokenId product;
  uint32_t rank;
};

// The bytes of each token, those that no text leads to included.
struct TokenBytes {
  std::string pool;
  std::vector<uint64_t> begins = {0};  // of token i in `pool`; one more at the end

  void push_back(std::string_view bytes);
  size_t size() const { return begins.size() - 1; }
  std::string_view operator[](size_t i) const {
    return std::string_view(pool).substr(begins[i], begins[i + 1] - begins[i]);
  }
};

class Bpe {
 public:
  // The token of each byte.
  using ByteTokens = std::array<TokenId, 256>;

  // Working memory of one thread, reused over pieces.
  struct Scratch {
    std::vector<TokenId> ids;
    std::vector<uint32_t> ranks;
    std::vector<uint32_t> next;
    std::vector<uint32_t> previous;
    std::vector<uint64_t> heap;
  };

  // `entries`: ids of the tokens that a piece may become as a whole, by their bytes in `tokens`; every id of `merges`
  // and `bytes` is below tokens.size(). `ignore_merges`: a piece that is an entry is that token, whatever the merges
  // say; otherwise only if the merges rebuild it.
  Bpe(const TokenBytes& tokens, std::span<const TokenId> entries, std::span<const Merge> merges,
      const ByteTokens& bytes, bool ignore_merges);

  // Appends the tokens of `piece` to `out`: O(n log n). Safe from any thread.
  void encode(std::string_view piece, std::vector<TokenId>& out, Scratch& scratch) const;

  // The entry with these bytes; -1 without one.
  TokenId find(std::string_view bytes) const;

 private:
  struct Slot {
    uint64_t pair = kEmpty;
    uint32_t rank = 0;
    TokenId product = 0;
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  static constexpr uint32_t kNoRank = ~uint32_t{0};

  static uint64_t pair_of(TokenId left, TokenId right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  // The merge of a pair; nullptr without one.
  const Slot* find_merge(TokenId left, TokenId right) const;
  uint32_t rank_of(TokenId left, TokenId right) const;
  bool rebuilds_itself(TokenId entry, std::string_view bytes, Scratch& scratch) const;
  // Both leave the tokens of `piece` at the front of scratch.ids and return their count.
  size_t merge(std::string_view piece, Scratch& scratch) const;
  size_t merge_short(size_t count, Scratch& scratch) const;
  size_t merge_long(size_t count, Scratch& scratch) const;

  const TokenBytes& tokens_;
  ByteTokens bytes_;
  bool ignore_merges_;
  size_t longest_entry_ = 0;
  std::vector<TokenId> entry_slots_;       // open addressing by the hash of the bytes; -1: free
  std::vector<uint32_t> entry_tags_;       // the hash's other bits, to compare bytes only when it is worth it
  std::vector<Slot> merge_slots_;          // open addressing by pair
  std::vector<uint32_t> byte_pair_ranks_;  // [256, 256] ranks of two bytes, the pairs that every piece starts with
  // Whether the merges rebuild an entry: 0 not asked yet, 1 yes, 2 no. Filled by whoever asks first.
  std::unique_ptr<std::atomic<uint8_t>[]> rebuilds_;
};

}  // namespace fathom::tokenizer
