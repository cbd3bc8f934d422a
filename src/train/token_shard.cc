#include "train/token_shard.h"

#include <cstring>

#include "base/atomic_file.h"
#include "base/error.h"

namespace fathom::train {
namespace {

// What a file begins with; then come documents + 1 offsets of 64 bits, then the tokens.
struct Header {
  char magic[8];
  uint64_t vocab_size;
  uint64_t tokenizer_hash;
  uint64_t text_bytes;
  uint64_t documents;
  uint64_t tokens;
};
constexpr char kMagic[8] = {'f', 'a', 't', 'h', 'o', 'm', 'T', '1'};

}  // namespace

TokenShard::TokenShard(std::span<const std::byte> bytes, const std::string& path) : path_(path) {
  Header header;
  if (bytes.size() < sizeof header) {
    fail(ErrorCode::kInvalidData, path, "holds {} bytes, expected a token shard", bytes.size());
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) {
    fail(ErrorCode::kInvalidData, path, "is no token shard; `fathom data` makes them");
  }
  const size_t left = bytes.size() - sizeof header;
  const size_t most = left / sizeof(uint64_t);
  if (header.documents >= most || header.tokens > left / sizeof(ShardToken) ||
      (header.documents + 1) * sizeof(uint64_t) + header.tokens * sizeof(ShardToken) != left) {
    fail(ErrorCode::kInvalidData, path, "holds {} bytes, not what {} documents of {} tokens take: cut off?",
         bytes.size(), header.documents, header.tokens);
  }
  const std::byte* at = bytes.data() + sizeof header;
  begins_ = {reinterpret_cast<const uint64_t*>(at), static_cast<size_t>(header.documents) + 1};
  tokens_ = {reinterpret_cast<const ShardToken*>(at + begins_.size_bytes()), static_cast<size_t>(header.tokens)};
  bool is_rising = begins_.front() == 0 && begins_.back() == header.tokens;
  for (size_t i = 1; i < begins_.size(); ++i) is_rising = is_rising && begins_[i - 1] <= begins_[i];
  if (!is_rising) fail(ErrorCode::kInvalidData, path, "has documents that do not follow one another");
  vocab_size_ = static_cast<int64_t>(header.vocab_size);
  text_bytes_ = static_cast<int64_t>(header.text_bytes);
  tokenizer_hash_ = header.tokenizer_hash;
  for (const ShardToken token : tokens_) {
    if (token.id() >= vocab_size_) {
      fail(ErrorCode::kInvalidData, path, "holds token id {}, past its vocabulary of {}", token.id(), vocab_size_);
    }
  }
}

std::shared_ptr<const TokenShard> TokenShard::open(const std::string& path) {
  auto file = MappedFile::open(path);
  std::shared_ptr<TokenShard> shard(new TokenShard(file->bytes(), path));
  shard->file_ = std::move(file);
  return shard;
}

std::shared_ptr<const TokenShard> TokenShard::parse(std::span<const std::byte> bytes, const std::string& where) {
  return std::shared_ptr<const TokenShard>(new TokenShard(bytes, where));
}

void write_token_shard(const std::string& path, const std::vector<Document>& documents, int64_t vocab_size,
                       uint64_t tokenizer_hash, int64_t text_bytes) {
  std::vector<uint64_t> begins = {0};
  for (const Document& document : documents) begins.push_back(begins.back() + document.size());
  Header header = {.magic = {},
                   .vocab_size = static_cast<uint64_t>(vocab_size),
                   .tokenizer_hash = tokenizer_hash,
                   .text_bytes = static_cast<uint64_t>(text_bytes),
                   .documents = documents.size(),
                   .tokens = begins.back()};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&header, 1)));
  file.write(std::as_bytes(std::span(begins)));
  for (const Document& document : documents) file.write(std::as_bytes(std::span(document)));
  file.commit();
}

}  // namespace fathom::train
