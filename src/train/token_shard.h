#pragma once
// Documents as token ids in a file that is read by mapping it.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"

namespace fathom::train {

// A token, and whether the model is to learn to write it: what users, tools and systems say is read, not learned.
class ShardToken {
 public:
  ShardToken() = default;
  ShardToken(int32_t id, bool is_learned) : bits_(static_cast<uint32_t>(id) | (is_learned ? 0 : kNotLearned)) {}
  int32_t id() const { return static_cast<int32_t>(bits_ & ~kNotLearned); }
  bool is_learned() const { return (bits_ & kNotLearned) == 0; }

 private:
  static constexpr uint32_t kNotLearned = uint32_t{1} << 31;
  uint32_t bits_ = 0;
};
static_assert(sizeof(ShardToken) == 4);

using Document = std::vector<ShardToken>;

class TokenShard {
 public:
  // Throws Error for a file that is none, is cut off, lies about its size or holds ids past its vocabulary.
  static std::shared_ptr<const TokenShard> open(const std::string& path);
  // The same of bytes in memory, 8-byte aligned, which must outlive the result.
  static std::shared_ptr<const TokenShard> parse(std::span<const std::byte> bytes, const std::string& where);

  const std::string& path() const { return path_; }
  int64_t documents() const { return static_cast<int64_t>(begins_.size()) - 1; }
  int64_t tokens() const { return static_cast<int64_t>(tokens_.size()); }
  int64_t vocab_size() const { return vocab_size_; }
  // Of the tokenizer.json that made the ids.
  uint64_t tokenizer_hash() const { return tokenizer_hash_; }
  // UTF-8 bytes of the text that the tokens stand for, controls left out.
  int64_t text_bytes() const { return text_bytes_; }
  std::span<const ShardToken> document(int64_t i) const {
    const auto at = static_cast<size_t>(i);
    return tokens_.subspan(begins_[at], begins_[at + 1] - begins_[at]);
  }

 private:
  TokenShard(std::span<const std::byte> bytes, const std::string& path);

  std::string path_;
  std::shared_ptr<const MappedFile> file_;
  int64_t vocab_size_ = 0;
  int64_t text_bytes_ = 0;
  uint64_t tokenizer_hash_ = 0;
  std::span<const uint64_t> begins_;  // of each document among the tokens, and the end of the last
  std::span<const ShardToken> tokens_;
};

// The file appears whole or not at all.
void write_token_shard(const std::string& path, const std::vector<Document>& documents, int64_t vocab_size,
                       uint64_t tokenizer_hash, int64_t text_bytes);

}  // namespace fathom::train
