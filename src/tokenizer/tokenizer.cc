#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 31;

std::vector<AddedTokenMatcher> make_passes(const std::vector<AddedToken>& tokens) {
  std::vector<AddedTokenMatcher> passes;
  for (const bool is_normalized : {false, true}) {
    std::vector<AddedToken> chosen;
    std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(chosen),
                 [&](const AddedToken& token) { return token.is_normalized == is_normalized; });
    if (!chosen.empty()) passes.emplace_back(std::move(chosen));
  }
  return passes;
}

}  // namespace

struct Tokenizer::Work {
  std::vector<TokenId> ids;
  std::vector<size_t> ends;
  Bpe::Scratch scratch;
};

Tokenizer::Tokenizer(TokenizerParts parts)
    : parts_(std::move(parts)),
      bpe_(parts_.tokens, parts_.entries, parts_.merges, parts_.byte_tokens, parts_.ignore_merges),
      passes_(make_passes(parts_.added_tokens)) {
  std::sort(parts_.added_tokens.begin(), parts_.added_tokens.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  parts_.entries = {};  // bpe_ has them in its tables
  parts_.merges = {};
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  Work work;
  if (options.add_bos) {
    if (!parts_.bos) fail(ErrorCode::kInvalidArgument, "", "the tokenizer has no begin-of-sentence token to add");
    work.ids.push_back(*parts_.bos);
  }
  encode_valid(text, options.parse_special, work);
  return std::move(work.ids);
}

std::vector<TokenId> Tokenizer::encode(std::span<const Segment> segments, const EncodeOptions& options) const {
  if (options.parse_special) return encode(text_of(segments), options);
  Work work;
  if (options.add_bos) work.ids = encode("", options);
  std::string text;
  for (const Segment& segment : segments) {
    const std::optional<TokenId> id = segment.is_control ? find_added(segment.text) : std::nullopt;
    if (!id) {
      text += segment.text;
      continue;
    }
    encode_valid(text, false, work);
    text.clear();
    work.ids.push_back(*id);
  }
  encode_valid(text, false, work);
  return std::move(work.ids);
}

void Tokenizer::encode_valid(std::string_view text, bool parse_special, Work& work) const {
  if (text.size() >= kMaxTextBytes) {
    fail(ErrorCode::kInvalidArgument, "", "text of {} bytes, expected less than {}", text.size(), kMaxTextBytes);
  }
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = valid_utf8(text);
    text = repaired;
  }
  encode_pass(text, parse_special ? 0 : passes_.size(), work);
}

void Tokenizer::encode_pass(std::string_view text, size_t pass, Work& work) const {
  if (pass == passes_.size()) return encode_plain(text, work);
  for (size_t from = 0; from < text.size();) {
    const AddedTokenMatcher::Match match = passes_[pass].find(text, from);
    encode_pass(text.substr(from, match.begin - from), pass + 1, work);
    if (match.end > match.begin) work.ids.push_back(match.id);
    from = match.end;
  }
}

void Tokenizer::encode_plain(std::string_view text, Work& work) const {
  work.ends.clear();
  parts_.pre_tokenizer->split(text, work.ends);
  size_t begin = 0;
  for (const size_t end : work.ends) {
    bpe_.encode(text.substr(begin, end - begin), work.ids, work.scratch);
    begin = end;
  }
}

std::string Tokenizer::decode_bytes(std::span<const TokenId> ids, bool skip_special) const {
  std::string out;
  for (const TokenId id : ids) {
    const std::string_view bytes = token_bytes(id);
    if (!skip_special || !is_special(id)) out += bytes;
  }
  return out;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::string out = decode_bytes(ids, skip_special);
  return is_valid_utf8(out) ? out : valid_utf8(out);
}

std::string_view Tokenizer::token_bytes(TokenId id) const {
  if (!has_token(id)) {
    fail(ErrorCode::kInvalidArgument, "", "found token id {}, expected one of the vocabulary (0 to {})", id,
         static_cast<int64_t>(vocab_size()) - 1);
  }
  return parts_.tokens[static_cast<size_t>(id)];
}

bool Tokenizer::has_token(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < vocab_size() && !parts_.tokens[static_cast<size_t>(id)].empty();
}

bool Tokenizer::is_special(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < vocab_size() && parts_.is_special[static_cast<size_t>(id)];
}

std::optional<TokenId> Tokenizer::find_added(std::string_view text) const {
  for (const AddedToken& token : parts_.added_tokens) {
    if (token.text == text) return token.id;
  }
  return std::nullopt;
}

std::optional<TokenId> Tokenizer::find(std::string_view text) const {
  if (const std::optional<TokenId> id = find_added(text)) return id;
  const TokenId id = bpe_.find(text);
  return id < 0 ? std::nullopt : std::optional(id);
}

}  // namespace fathom::tokenizer
