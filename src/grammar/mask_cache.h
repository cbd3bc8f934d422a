#pragma once
// Which tokens may come at a place of an automaton. What a token does as long as it stays within the place's rule
// depends on the state alone and is computed once. Tokens that go past the rule's end depend on the caller: they are
// kept as nodes of the token tree and carried on from the state on the stack, once per pair of states; and so on down
// the stack. So a mask is the union of a few stored sets, and nothing is stored per stack.

#include <atomic>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "grammar/automaton.h"
#include "grammar/configuration.h"
#include "grammar/token_vocabulary.h"

namespace fathom::grammar {

// Tokens allowed by one level, and what is left for the level below.
struct MaskEntry {
  uint64_t id = 0;               // never used twice
  std::vector<uint64_t> dense;   // a bit per token, or
  std::vector<TokenId> sparse;   // ids, when they are few
  std::vector<uint32_t> leaves;  // nodes of the token tree where the rule ended and longer tokens go on
  size_t bytes() const {
    return sizeof(*this) + 8 * dense.size() + sizeof(TokenId) * sparse.size() + sizeof(uint32_t) * leaves.size();
  }
};

// Thread-safe.
class MaskCache {
 public:
  // Past `max_bytes` of entries all are dropped and made again as they are asked for.
  MaskCache(const Automaton& automaton, const TokenVocabulary& vocabulary, size_t max_bytes);
  MaskCache(const MaskCache&) = delete;
  MaskCache& operator=(const MaskCache&) = delete;

  // Sets the bits of all tokens that may come at `place`, which must be one that reads a byte next.
  void add(Place place, const FramePool& frames, std::span<uint64_t> mask) const;

  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  using Entry = std::shared_ptr<const MaskEntry>;
  struct Key {
    uint64_t above;  // the entry whose leaves are carried on; else, for the place itself, kShort or kLong
    StateId state;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return static_cast<size_t>((key.above * 0x9E3779B97F4A7C15ULL) ^ (key.state * 0xC2B2AE3D27D4EB4FULL));
    }
  };

  static constexpr uint64_t kShort = 0;
  static constexpr uint64_t kLong = 1;

  void add_tokens(Place place, const FramePool& frames, std::span<uint64_t> mask, bool is_long) const;
  Entry find(const Key& key, const MaskEntry* above, bool is_long) const;
  Entry make(StateId state, const MaskEntry* above, bool is_long) const;

  const Automaton& automaton_;
  const TokenVocabulary& vocabulary_;
  std::vector<StateId> short_class_;  // by state; long tokens are few and walked for each
  size_t max_bytes_;
  mutable std::shared_mutex mutex_;
  mutable std::unordered_map<Key, Entry, KeyHash> entries_;
  mutable std::atomic<uint64_t> last_id_{kLong};
  mutable std::atomic<size_t> bytes_{0};
};

}  // namespace fathom::grammar
