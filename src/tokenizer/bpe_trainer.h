#pragma once
// Learning the merges of a byte-level BPE from text (Sennrich et al. 2016): the most frequent pair of neighbouring
// tokens becomes a token, again and again.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/pre_tokenizer.h"

namespace fathom::tokenizer {

struct BpeTrainerParams {
  int64_t tokens = 0;           // how many to make at most, beside the 256 of bytes
  int64_t min_frequency = 2;    // a pair that is rarer is left alone
  size_t max_token_bytes = 64;  // longer tokens are not made: runs of one character in odd documents
  bool merges_digits = true;    // false: a number is a digit a token, which small models reckon better with
};

class BpeTrainer {
 public:
  // Texts are cut as `pre_tokenizer` does; merges never cross a piece.
  explicit BpeTrainer(const PreTokenizer& pre_tokenizer) : pre_tokenizer_(pre_tokenizer) {}

  // Counts the pieces of a text, valid UTF-8.
  void add(std::string_view text);

  // Merges in the order of their rank, over the ids 0 to 255 for bytes and 256 and on for the tokens made, in the order
  // they were made; two merges may make the same token. A tie goes to the pair of lower ids, so the same texts in any
  // order give the same merges. `progress` is called now and then with the number of tokens so far.
  std::vector<Merge> train(const BpeTrainerParams& params, const std::function<void(int64_t)>& progress) const;

  int64_t distinct_pieces() const { return static_cast<int64_t>(counts_.size()); }

 private:
  const PreTokenizer& pre_tokenizer_;
  std::unordered_map<std::string, int64_t> counts_;
  std::vector<size_t> ends_;
};

}  // namespace fathom::tokenizer
