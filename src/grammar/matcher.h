#pragma once
// One sequence's way through a grammar.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/compiled_grammar.h"
#include "grammar/configuration.h"

namespace fathom::grammar {

// For one thread at a time. A grammar too ambiguous to follow (Stepper::kMaxPlaces) makes any of these throw
// Error(kResource); the matcher then stands where it stood.
class Matcher {
 public:
  explicit Matcher(std::shared_ptr<const CompiledGrammar> grammar);
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  // Sets bit i of `mask` (word i / 64, lowest bit first) where token i may come next, and clears all others. `mask` has
  // at least vocabulary().mask_words() words; more are padding of the model's head.
  void mask(std::span<uint64_t> mask) const;

  // Takes one token; false, and nothing changes, when the grammar does not allow it. After end-of-sentence none is.
  [[nodiscard]] bool accept(TokenId token);
  // The same for bytes that were given rather than sampled (a prefix of the reply). Counts as one token in rollback().
  [[nodiscard]] bool accept_bytes(std::string_view bytes);

  // Whether the text so far is one of the grammar's.
  bool can_end() const { return !has_finished() && steps_.back().can_end; }
  // Whether end-of-sentence was accepted.
  bool has_finished() const { return steps_.back().has_finished; }

  size_t accepted() const { return steps_.size() - 1; }
  // Takes back the last `count` accepted tokens: drafts that the model did not confirm.
  void rollback(size_t count);

  // Bytes that must come next, whatever the model would choose; at most `max_bytes`. They may end within a character.
  std::string forced_bytes(size_t max_bytes = 4096) const;
  // The token that must come next, where the mask has one bit.
  std::optional<TokenId> forced_token() const;

 private:
  struct Step {
    size_t begin;  // of its places
    bool can_end;
    bool has_finished;
  };
  std::span<const Place> places() const {
    return {places_.data() + steps_.back().begin, places_.size() - steps_.back().begin};
  }
  void push_step(std::span<const Place> places, bool can_end, bool has_finished);

  std::shared_ptr<const CompiledGrammar> grammar_;
  mutable FramePool frames_;
  std::vector<Place> places_;  // of all steps, one after the other
  std::vector<Step> steps_;    // the start, then one for each accepted token
  mutable Stepper stepper_;    // two, so that one's result is the other's origin
  mutable Stepper other_;
};

}  // namespace fathom::grammar
