#pragma once
// Runs an automaton over the tree of tokens: which tokens it can read, and where its bottom rule ends within one.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "grammar/configuration.h"
#include "grammar/token_vocabulary.h"

namespace fathom::grammar {

struct TokenWalkResult {
  std::vector<TokenId> tokens;   // in no order; may repeat
  std::vector<uint32_t> leaves;  // nodes with children at which the bottom rule has ended; may repeat
};

// For one use. Steps are remembered by (set of places, byte), so that the many tokens which do the same cost a look-up.
class TokenWalk {
 public:
  // Over one of the vocabulary's trees.
  TokenWalk(const Automaton& automaton, const TokenVocabulary& vocabulary,
            std::span<const TokenVocabulary::TrieNode> trie)
      : vocabulary_(vocabulary), trie_(trie), stepper_(automaton, frames_) {}

  // All tokens from a state that reads a byte next.
  void walk_from(StateId state);
  // The rest of the tokens behind each of `nodes`, from what `state` leads to.
  void carry_on(StateId state, std::span<const uint32_t> nodes);

  TokenWalkResult take() { return std::move(result_); }

 private:
  using SetId = int32_t;
  static constexpr SetId kDead = -1;
  static constexpr SetId kUnknown = -2;
  static constexpr size_t kMaxSets = 4096;  // a kilobyte of steps each

  struct PlaceSet {
    std::vector<Place> places;
    bool has_ended;
    std::vector<SetId> steps;  // by byte
  };

  void walk(uint32_t begin, uint32_t end, SetId start);
  SetId intern(std::vector<Place> places, bool has_ended);
  SetId step(SetId from, uint8_t byte);
  void drop_sets();

  const TokenVocabulary& vocabulary_;
  std::span<const TokenVocabulary::TrieNode> trie_;
  FramePool frames_;
  Stepper stepper_;
  std::vector<PlaceSet> sets_;
  std::map<std::pair<std::vector<uint64_t>, bool>, SetId> ids_;
  std::vector<SetId> path_;  // sets at each depth of the walk, the start first
  TokenWalkResult result_;
};

}  // namespace fathom::grammar
