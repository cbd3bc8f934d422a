#pragma once
// Text to token ids and back, as a checkpoint's tokenizer.json says: byte-level BPE in the layout of Hugging Face.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/segment.h"
#include "tokenizer/token_id.h"

namespace fathom::tokenizer {

struct EncodeOptions {
  // Text that spells an added token becomes that token. Off by default: what users write must not become control.
  bool parse_special = false;
  // Puts the begin-of-sentence token in front. Rendered chats begin with it already.
  bool add_bos = false;
};

// What a Tokenizer is made of; the readers of file formats fill it.
struct TokenizerParts {
  TokenBytes tokens;             // by id, added tokens included; empty where an id has no token
  std::vector<bool> is_special;  // by id
  std::vector<TokenId> entries;  // ids that a whole piece may become
  std::vector<Merge> merges;     // the last of a pair counts
  Bpe::ByteTokens byte_tokens{};
  bool ignore_merges = false;
  std::vector<AddedToken> added_tokens;
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  bool adds_bos = false;
};

// Immutable once made; every function may be called from many threads at once.
class Tokenizer {
 public:
  // Reads `folder`/tokenizer.json and, when it is there, tokenizer_config.json; without a tokenizer.json a tiktoken
  // file (tiktoken.model). Throws Error naming file, field, what was found and expected.
  static std::shared_ptr<const Tokenizer> load(const std::string& folder);
  // The same from texts in memory; `config` may be empty.
  static std::shared_ptr<const Tokenizer> from_json(std::string_view tokenizer_json, std::string_view config = {});
  static std::shared_ptr<const Tokenizer> from_tiktoken(std::string_view text, std::string_view config = {});

  explicit Tokenizer(TokenizerParts parts);
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Ids of `text`; each maximal part that is no UTF-8 counts as U+FFFD. Linear in the text but for a log factor.
  // Throws Error(kInvalidArgument) for `add_bos` without such a token and for text past 2 GiB.
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const;

  // Ids of a prompt. Controls become their token, or plain text where the vocabulary has none; neighbouring plain texts
  // are joined before they are cut. With `parse_special` the same as encoding the joined text.
  std::vector<TokenId> encode(std::span<const Segment> segments, const EncodeOptions& options = {}) const;

  // The bytes of all ids, joined. They need not be UTF-8. Throws Error(kInvalidArgument) for an id without a token.
  std::string decode_bytes(std::span<const TokenId> ids, bool skip_special = false) const;
  // The same as text: what is no UTF-8 becomes U+FFFD.
  std::string decode(std::span<const TokenId> ids, bool skip_special = false) const;

  // The bytes that a token stands for; valid as long as the Tokenizer. Throws Error(kInvalidArgument) as above.
  std::string_view token_bytes(TokenId id) const;
  bool has_token(TokenId id) const;
  // Whether the file flags the token as special; false for ids without a token.
  bool is_special(TokenId id) const;
  // Added tokens, by id.
  const std::vector<AddedToken>& added_tokens() const { return parts_.added_tokens; }

  // The token that is written `text`: an added one, else the vocabulary's with these bytes.
  std::optional<TokenId> find(std::string_view text) const;
  // The added token `text`.
  std::optional<TokenId> find_added(std::string_view text) const;

  // One more than the highest id. The model's embedding may have more rows, which no text leads to.
  size_t vocab_size() const { return parts_.tokens.size(); }
  std::optional<TokenId> bos() const { return parts_.bos; }
  std::optional<TokenId> eos() const { return parts_.eos; }
  // Whether the checkpoint wants the begin-of-sentence token in front of raw text.
  bool adds_bos() const { return parts_.adds_bos; }

 private:
  struct Work;  // memory of one call

  void encode_valid(std::string_view text, bool parse_special, Work& work) const;
  void encode_pass(std::string_view text, size_t pass, Work& work) const;
  void encode_plain(std::string_view text, Work& work) const;

  TokenizerParts parts_;
  Bpe bpe_;
  std::vector<AddedTokenMatcher> passes_;  // over the raw text, then over what is left
};

}  // namespace fathom::tokenizer
