#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "tokenizer/tokenizer_files.h"

namespace fathom::tokenizer {
namespace {

// A token of n bytes is tried at n - 1 cuts; the longest in the field (white space) has a few hundred.
constexpr size_t kMaxTokenBytes = 1024;

// Ids behind the ranks, control tokens whether the configuration names them or not.
constexpr TokenId kReservedTokens = 256;

// Kimi's pattern. PCRE2 has no intersection of classes, so a look-ahead takes Han out of the letters; its \p{Han} means
// script extensions, \p{sc:Han} the script.
constexpr const char* kKimiPattern = R"([\p{sc:Han}]+)"
                                     R"(|[^\r\n\p{L}\p{N}]?(?:(?!\p{sc:Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])*)"
                                     R"((?:(?!\p{sc:Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
                                     R"(|[^\r\n\p{L}\p{N}]?(?:(?!\p{sc:Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])+)"
                                     R"((?:(?!\p{sc:Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
                                     R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Value of each base64 digit; -1 for other bytes.
constexpr std::array<int8_t, 256> base64_digits() {
  std::array<int8_t, 256> table{};
  table.fill(-1);
  int8_t value = 0;
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")) {
    table[static_cast<uint8_t>(c)] = value++;
  }
  return table;
}

// Nothing when `text` is not base64 with its padding.
std::optional<std::string> from_base64(std::string_view text) {
  static constexpr auto kDigits = base64_digits();
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = kDigits[static_cast<uint8_t>(c)];
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFF);
  }
  return bytes;
}

class TiktokenReader {
 public:
  explicit TiktokenReader(std::string where) : where_(std::move(where)) {}

  TokenizerParts read(std::string_view text, const std::optional<json::Reader>& config) {
    for (size_t line = 1; !text.empty(); ++line) {
      const size_t end = std::min(text.find('\n'), text.size());
      std::string_view words = text.substr(0, end);
      if (words.ends_with('\r')) words.remove_suffix(1);
      if (!words.empty()) read_line(words, fmt::format("{}: line {}", where_, line));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    check_ranks();
    list_merges();
    for (const std::string& bytes : by_rank_) out_.tokens.push_back(bytes);
    add_controls(config);
    find_sentence_tokens(config, out_);
    out_.ignore_merges = true;  // a piece that is a token is never merged up to it
    out_.pre_tokenizer = make_regex_stage({.pattern = kKimiPattern}, where_);
    return std::move(out_);
  }

 private:
  void read_line(std::string_view words, const std::string& where) {
    const size_t space = words.find(' ');
    const std::string_view symbols = words.substr(0, space);
    const std::string_view digits = space == std::string_view::npos ? "" : words.substr(space + 1);
    TokenId rank = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    const auto bytes = from_base64(symbols);
    if (error != std::errc() || end != digits.data() + digits.size() || rank < 0 || rank >= kMaxVocabulary || !bytes ||
        bytes->empty() || bytes->size() > kMaxTokenBytes) {
      fail(ErrorCode::kInvalidData, where, "found {}, expected 1 to {} bytes in base64 and a rank from 0 to {}",
           json::quote(words.substr(0, 60)), kMaxTokenBytes, kMaxVocabulary - 1);
    }
    const auto index = static_cast<size_t>(rank);
    if (index >= by_rank_.size()) by_rank_.resize(index + 1);
    if (!by_rank_[index].empty()) fail(ErrorCode::kInvalidData, where, "gives rank {} a second time", rank);
    if (const auto [known, is_new] = ranks_.emplace(*bytes, rank); !is_new) {
      fail(ErrorCode::kInvalidData, where, "repeats the token of rank {}", known->second);
    }
    by_rank_[index] = *bytes;
  }

  void check_ranks() {
    for (size_t byte = 0; byte < 256; ++byte) {
      const auto found = ranks_.find(std::string(1, static_cast<char>(byte)));
      if (found == ranks_.end()) {
        fail(ErrorCode::kInvalidData, where_, "has no token for byte {}, expected byte-level BPE", byte);
      }
      out_.byte_tokens[byte] = found->second;
    }
    if (by_rank_.size() != ranks_.size()) {
      const auto gap = std::find(by_rank_.begin(), by_rank_.end(), std::string()) - by_rank_.begin();
      fail(ErrorCode::kInvalidData, where_, "has no token of rank {}, expected each from 0 to {}", gap,
           by_rank_.size() - 1);
    }
  }

  // Every cut of a token into two others is a merge of the token's own rank.
  void list_merges() {
    for (size_t rank = 0; rank < by_rank_.size(); ++rank) {
      const auto id = static_cast<TokenId>(rank);
      const std::string& bytes = by_rank_[rank];
      for (size_t cut = 1; cut < bytes.size(); ++cut) {
        const auto left = ranks_.find(bytes.substr(0, cut));
        const auto right = left == ranks_.end() ? left : ranks_.find(bytes.substr(cut));
        if (right == ranks_.end()) continue;
        out_.merges.push_back({left->second, right->second, id, static_cast<uint32_t>(rank)});
      }
      out_.entries.push_back(id);
    }
  }

  void add_controls(const std::optional<json::Reader>& config) {
    const auto base = static_cast<TokenId>(by_rank_.size());
    std::map<TokenId, AddedToken> controls;
    for (TokenId id = base; id < base + kReservedTokens; ++id) {
      controls[id] = {.id = id, .text = fmt::format("<|reserved_token_{}|>", id), .is_special = true};
    }
    if (const auto decoder = config ? config->find("added_tokens_decoder") : std::nullopt) {
      if (!decoder->is_object()) decoder->fail_expected("an object of tokens by id");
      for (const auto& [key, value] : decoder->value().get_object()) {
        const std::string_view digits(key);
        TokenId id = -1;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
        if (error != std::errc() || end != digits.data() + digits.size() || !controls.contains(id)) {
          fail(ErrorCode::kInvalidData, decoder->location(), "adds a token with id '{}', expected {} to {}", digits,
               base, base + kReservedTokens - 1);
        }
        controls[id] = read_added_token(decoder->get(digits));
        controls[id].id = id;
      }
    }
    out_.is_special.resize(by_rank_.size(), false);
    std::unordered_map<std::string_view, TokenId> seen;
    for (const auto& [id, token] : controls) {
      if (!seen.emplace(token.text, id).second) {
        fail(ErrorCode::kInvalidData, config->location(), "adds '{}' a second time", token.text);
      }
      out_.tokens.push_back(token.text);
      out_.is_special.push_back(token.is_special);
      out_.added_tokens.push_back(token);
    }
  }

  std::string where_;
  TokenizerParts out_;
  std::vector<std::string> by_rank_;
  std::unordered_map<std::string, TokenId> ranks_;
};

}  // namespace

TokenizerParts read_tiktoken(std::string_view text, const std::string& where,
                             const std::optional<json::Reader>& config) {
  return TiktokenReader(where).read(text, config);
}

}  // namespace fathom::tokenizer
