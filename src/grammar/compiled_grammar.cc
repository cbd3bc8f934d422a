#include "grammar/compiled_grammar.h"

namespace fathom::grammar {

std::shared_ptr<const CompiledGrammar> GrammarCache::find(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  items_.splice(items_.begin(), items_, found->second);
  return found->second->grammar;
}

std::shared_ptr<const CompiledGrammar> GrammarCache::get(const std::string& key, const std::function<Grammar()>& make) {
  {
    const std::lock_guard lock(mutex_);
    if (auto grammar = find(key)) {
      evict();
      return grammar;
    }
  }
  // Compiled without the lock: a large schema must not hold up others. Two threads may compile the same; one stays.
  auto compiled = std::make_shared<const CompiledGrammar>(make(), vocabulary_);
  const std::lock_guard lock(mutex_);
  if (auto grammar = find(key)) return grammar;
  items_.push_front({key, std::move(compiled)});
  by_key_[key] = items_.begin();
  evict();
  return items_.front().grammar;
}

void GrammarCache::evict() {
  size_t bytes = 0;
  for (const Item& item : items_) bytes += item.grammar->bytes();
  while (bytes > max_bytes_ && items_.size() > 1) {
    bytes -= items_.back().grammar->bytes();
    by_key_.erase(items_.back().key);
    items_.pop_back();
  }
}

size_t GrammarCache::size() const {
  const std::lock_guard lock(mutex_);
  return items_.size();
}

}  // namespace fathom::grammar
