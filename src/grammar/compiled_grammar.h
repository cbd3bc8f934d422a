#pragma once
// A grammar made ready for one vocabulary, and a cache of such.

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "grammar/automaton.h"
#include "grammar/grammar.h"
#include "grammar/mask_cache.h"
#include "grammar/token_vocabulary.h"

namespace fathom::grammar {

// Immutable but for what it remembers of masks; shared by any number of matchers on any threads.
class CompiledGrammar {
 public:
  static constexpr size_t kDefaultMaskBytes = size_t{64} << 20;

  // Throws as Automaton::compile does.
  CompiledGrammar(const Grammar& grammar, std::shared_ptr<const TokenVocabulary> vocabulary,
                  size_t max_mask_bytes = kDefaultMaskBytes)
      : vocabulary_(std::move(vocabulary)),
        automaton_(Automaton::compile(grammar)),
        masks_(automaton_, *vocabulary_, max_mask_bytes) {}
  CompiledGrammar(const CompiledGrammar&) = delete;
  CompiledGrammar& operator=(const CompiledGrammar&) = delete;

  const TokenVocabulary& vocabulary() const { return *vocabulary_; }
  const Automaton& automaton() const { return automaton_; }
  const MaskCache& masks() const { return masks_; }
  // Grows while masks are remembered.
  size_t bytes() const { return automaton_.bytes() + masks_.bytes(); }

 private:
  std::shared_ptr<const TokenVocabulary> vocabulary_;
  Automaton automaton_;
  MaskCache masks_;
};

// The grammars used last, by a text that says how they are made (kind, options and source). Thread-safe.
class GrammarCache {
 public:
  GrammarCache(std::shared_ptr<const TokenVocabulary> vocabulary, size_t max_bytes)
      : vocabulary_(std::move(vocabulary)), max_bytes_(max_bytes) {}

  // The grammar kept under `key`, or what `make` returns, compiled. Throws what `make` and the compiler throw. Grammars
  // that went longest without use are given up while all together hold more than the limit, masks included; the newest
  // always stays.
  std::shared_ptr<const CompiledGrammar> get(const std::string& key, const std::function<Grammar()>& make);

  size_t size() const;

 private:
  struct Item {
    std::string key;
    std::shared_ptr<const CompiledGrammar> grammar;
  };
  std::shared_ptr<const CompiledGrammar> find(const std::string& key);
  void evict();

  std::shared_ptr<const TokenVocabulary> vocabulary_;
  size_t max_bytes_;
  mutable std::mutex mutex_;
  std::list<Item> items_;  // used last first
  std::unordered_map<std::string, std::list<Item>::iterator> by_key_;
};

}  // namespace fathom::grammar
