#pragma once
// Text to token ids and back: byte-level BPE as a checkpoint's tokenizer.json says.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/pre_tokenizer.h"

namespace fathom::tokenizer {

// A prompt in parts: control tokens by id, and plain text in which nothing is a control token.
struct Segment {
  std::optional<int32_t> control;
  std::string text;
};

class Tokenizer {
 public:
  // Reads `folder`/tokenizer.json. Throws Error naming the file and the place of what is wrong.
  static std::shared_ptr<const Tokenizer> load(const std::string& folder);
  // The same of text in memory; `where` names it in errors.
  static std::shared_ptr<const Tokenizer> parse(std::string_view json_text, const std::string& where);

  // Ids of `text` without begin of sentence; invalid UTF-8 is read as U+FFFD. With `parse_special`, texts of added
  // tokens become those tokens. Safe from any thread.
  std::vector<int32_t> encode(std::string_view text, bool parse_special = true) const;
  // Ids of segments; neighbouring plain ones are joined before they are cut.
  std::vector<int32_t> encode(std::span<const Segment> segments) const;

  // Bytes of the tokens, one after the other; special ones left out when asked. Throws Error for an id out of range.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;
  // What a token stands for. Ids below vocab_size() without a token stand for nothing.
  const std::string& token_bytes(int32_t id) const;
  bool is_special(int32_t id) const;
  // The added token with this text.
  std::optional<int32_t> find(std::string_view text) const;
  // One more than the highest id.
  int64_t vocab_size() const { return static_cast<int64_t>(bytes_.size()); }

 private:
  struct Pair {
    int32_t rank;
    int32_t product;
  };

  void encode_plain(std::string_view text, std::vector<int32_t>& ids) const;
  void encode_piece(std::string_view piece, std::vector<int32_t>& ids) const;
  void merge(std::string_view piece, std::vector<int32_t>& ids) const;
  const Pair* pair_of(int32_t left, int32_t right) const;
  // Length of the longest added token that stands at `at`; its id in `id`.
  size_t added_at(std::string_view text, size_t at, int32_t& id) const;

  std::unique_ptr<PreTokenizer> pre_tokenizer_;
  std::vector<std::string> bytes_;                          // by id
  std::vector<bool> is_special_;                            // by id
  int32_t byte_ids_[256] = {};                              // the token of each single byte
  std::unordered_map<std::string_view, int32_t> by_bytes_;  // pieces that are one token; keys point into bytes_
  std::unordered_map<uint64_t, Pair> merges_;               // (left id, right id)
  std::unordered_map<std::string, int32_t> added_;
  bool added_first_[256] = {};  // bytes with which an added token begins
  size_t longest_added_ = 0;

  friend class TokenizerLoader;
};

// Ids to text as they come: gives only whole characters, and at the end U+FFFD for what never became one.
class StreamDecoder {
 public:
  explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special = true)
      : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}

  std::string push(int32_t id);
  std::string finish();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_special_;
  std::string held_;
};

}  // namespace fathom::tokenizer
