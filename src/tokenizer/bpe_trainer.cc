#include "tokenizer/bpe_trainer.h"

#include <algorithm>
#include <queue>

namespace fathom::tokenizer {
namespace {

constexpr int64_t kProgressEvery = 64;

uint64_t pair_of(TokenId left, TokenId right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

struct Word {
  std::vector<TokenId> ids;
  int64_t count;
};

struct Pair {
  int64_t count = 0;
  std::vector<uint32_t> words;  // that hold it or held it; a word may stand twice
};

struct Candidate {
  int64_t count;
  uint64_t pair;
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Merger {
 public:
  Merger(std::vector<Word> words, const BpeTrainerParams& params) : words_(std::move(words)), params_(params) {
    for (int byte = 0; byte < 256; ++byte) token_of(std::string(1, static_cast<char>(byte)));
    for (uint32_t w = 0; w < words_.size(); ++w) {
      const std::vector<TokenId>& ids = words_[w].ids;
      for (size_t i = 0; i + 1 < ids.size(); ++i) change(ids[i], ids[i + 1], words_[w].count, w);
    }
    for (const auto& [pair, found] : pairs_) queue_.push({found.count, pair});
    touched_.clear();
  }

  // The next merge, carried out; false when no pair is left.
  bool next(std::vector<Merge>& merges) {
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(best.pair);
      if (found == pairs_.end() || found->second.count != best.count) continue;  // out of date
      if (best.count < params_.min_frequency) return false;
      const auto left = static_cast<TokenId>(best.pair >> 32);
      const auto right = static_cast<TokenId>(best.pair & 0xFFFFFFFF);
      const std::string both = texts_[static_cast<size_t>(left)] + texts_[static_cast<size_t>(right)];
      if (both.size() > params_.max_token_bytes) {
        pairs_.erase(found);
        continue;
      }
      merges.push_back({left, right, token_of(both), static_cast<uint32_t>(merges.size())});
      apply(merges.back(), std::move(found->second.words));
      pairs_.erase(best.pair);
      for (const uint64_t pair : touched_) {
        const auto changed = pairs_.find(pair);
        if (changed != pairs_.end() && changed->second.count > 0) queue_.push({changed->second.count, pair});
      }
      touched_.clear();
      return true;
    }
    return false;
  }

  // Tokens beside those of bytes.
  int64_t made() const { return static_cast<int64_t>(texts_.size()) - 256; }

 private:
  // The token of these bytes, which may be new.
  TokenId token_of(const std::string& text) {
    const auto [found, is_new] = ids_.emplace(text, static_cast<TokenId>(texts_.size()));
    if (is_new) texts_.push_back(text);
    return found->second;
  }

  void change(TokenId left, TokenId right, int64_t by, uint32_t word) {
    const uint64_t pair = pair_of(left, right);
    Pair& found = pairs_[pair];
    found.count += by;
    if (by > 0 && (found.words.empty() || found.words.back() != word)) found.words.push_back(word);
    if (touched_.empty() || touched_.back() != pair) touched_.push_back(pair);
  }

  void apply(const Merge& merge, std::vector<uint32_t> words) {
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    for (const uint32_t w : words) {
      std::vector<TokenId>& ids = words_[w].ids;
      const int64_t count = words_[w].count;
      size_t to = 0;
      for (size_t from = 0; from < ids.size(); ++from, ++to) {
        if (from + 1 == ids.size() || ids[from] != merge.left || ids[from + 1] != merge.right) {
          ids[to] = ids[from];
          continue;
        }
        if (to > 0) {
          change(ids[to - 1], merge.left, -count, w);
          change(ids[to - 1], merge.product, count, w);
        }
        if (from + 2 < ids.size()) {
          change(merge.right, ids[from + 2], -count, w);
          change(merge.product, ids[from + 2], count, w);
        }
        ids[to] = merge.product;
        ++from;
      }
      ids.resize(to);
    }
  }

  std::vector<Word> words_;
  BpeTrainerParams params_;
  std::vector<std::string> texts_;  // bytes of each token
  std::unordered_map<std::string, TokenId> ids_;
  std::unordered_map<uint64_t, Pair> pairs_;
  std::priority_queue<Candidate> queue_;
  std::vector<uint64_t> touched_;  // pairs whose count changed
};

// DeepSeek's pre-tokenizers cut digits from everything else.
bool is_number(std::string_view piece) {
  return std::all_of(piece.begin(), piece.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void BpeTrainer::add(std::string_view text) {
  ends_.clear();
  pre_tokenizer_.split(text, ends_);
  size_t begin = 0;
  for (const size_t end : ends_) {
    ++counts_[std::string(text.substr(begin, end - begin))];
    begin = end;
  }
}

std::vector<Merge> BpeTrainer::train(const BpeTrainerParams& params,
                                     const std::function<void(int64_t)>& progress) const {
  std::vector<Word> words;
  for (const auto& [piece, count] : counts_) {
    if (piece.size() < 2 || (!params.merges_digits && is_number(piece))) continue;
    Word word = {.ids = {}, .count = count};
    for (const char byte : piece) word.ids.push_back(static_cast<uint8_t>(byte));
    words.push_back(std::move(word));
  }
  Merger merger(std::move(words), params);
  std::vector<Merge> merges;
  while (merger.made() < params.tokens && merger.next(merges)) {
    if (merger.made() % kProgressEvery == 0 && progress) progress(merger.made());
  }
  return merges;
}

}  // namespace fathom::tokenizer
