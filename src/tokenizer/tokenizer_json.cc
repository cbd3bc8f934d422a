// Reading tokenizer.json: every field is checked before it is believed.

#include <unordered_map>

#include "base/error.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

constexpr TokenId kNone = -1;

bool flag(const json::Reader& json, std::string_view key, bool otherwise = false) {
  const auto found = json.find(key);
  return found ? found->as_bool() : otherwise;
}

class JsonLoader {
 public:
  explicit JsonLoader(const json::Reader& json) : json_(json) {}

  TokenizerParts load() {
    const json::Reader model = json_.get("model");
    check_kind(model);
    read_vocabulary(model.get("vocab"));
    read_merges(model.get("merges"));
    read_added(json_.find("added_tokens"));
    out_.ignore_merges = flag(model, "ignore_merges");
    read_pre_tokenizer();
    for (size_t id = 0; id < bytes_.size(); ++id) {
      out_.tokens.push_back(bytes_[id]);
      if (is_entry_[id]) out_.entries.push_back(static_cast<TokenId>(id));
    }
    return std::move(out_);
  }

 private:
  // Byte-level BPE without the options that DeepSeek's files leave alone.
  void check_kind(const json::Reader& model) const {
    if (const auto type = model.find("type"); type && type->as_string() != "BPE") type->fail_expected("BPE");
    for (const char* option : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (const auto field = model.find(option); field && !field->as_string().empty()) field->fail_expected("null");
    }
    if (const auto dropout = model.find("dropout"); dropout && dropout->as_double() != 0)
      dropout->fail_expected("null");
    const auto normalizer = json_.find("normalizer");
    if (!normalizer) return;
    const auto type = normalizer->get("type");
    const auto steps = normalizer->find("normalizers");
    if (type.as_string() != "Sequence" || (steps && !steps->items().empty())) {
      normalizer->fail_expected("none, or an empty Sequence");
    }
  }

  // Room for `id`.
  void reach(int64_t id) {
    const auto count = static_cast<size_t>(id) + 1;
    if (count <= bytes_.size()) return;
    bytes_.resize(count);
    is_entry_.resize(count, false);
    out_.is_special.resize(count, false);
  }

  void read_vocabulary(const json::Reader& vocab) {
    if (!vocab.is_object()) vocab.fail_expected("an object");
    out_.byte_tokens.fill(kNone);
    for (const auto& [symbols, value] : vocab.value().get_object()) {
      const int64_t id = value.is_int64() ? value.get_int64() : kNone;
      if (id < 0 || id >= kMaxVocabulary) {
        fail(ErrorCode::kInvalidData, vocab.location(), "token '{}' has id {}, expected 0 to {}",
             std::string_view(symbols), json::dump(value), kMaxVocabulary - 1);
      }
      reach(id);
      const auto index = static_cast<size_t>(id);
      if (!by_symbols_.emplace(symbols, static_cast<TokenId>(id)).second || is_entry_[index]) {
        fail(ErrorCode::kInvalidData, vocab.location(), "token '{}' has id {}, expected one of its own",
             std::string_view(symbols), id);
      }
      is_entry_[index] = true;
      // Control tokens stand in the vocabulary by their own text, which is not made of byte symbols.
      const auto bytes = bytes_of(symbols);
      bytes_[index] = bytes ? *bytes : std::string(symbols);
      if (bytes && bytes->size() == 1) out_.byte_tokens[static_cast<uint8_t>((*bytes)[0])] = static_cast<TokenId>(id);
    }
    for (size_t byte = 0; byte < 256; ++byte) {
      if (out_.byte_tokens[byte] == kNone) {
        fail(ErrorCode::kInvalidData, vocab.location(), "has no token for byte {}, expected byte-level BPE", byte);
      }
    }
  }

  TokenId id_of(std::string_view symbols, const json::Reader& where) const {
    const auto found = by_symbols_.find(symbols);
    if (found == by_symbols_.end()) {
      fail(ErrorCode::kInvalidData, where.location(), "names '{}', which is not in the vocabulary", symbols);
    }
    return found->second;
  }

  // "left right", or [left, right] as newer files have it.
  void read_merges(const json::Reader& merges) {
    if (!merges.is_array()) merges.fail_expected("an array");
    out_.merges.reserve(merges.value().get_array().size());
    std::string both;
    for (const auto& value : merges.value().get_array()) {
      std::string_view left;
      std::string_view right;
      if (value.is_string()) {
        const std::string_view text(value.get_string());
        const size_t space = text.find(' ');
        left = text.substr(0, space);
        right = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
      } else if (value.is_array() && value.get_array().size() == 2 && value.get_array()[0].is_string() &&
                 value.get_array()[1].is_string()) {
        left = value.get_array()[0].get_string();
        right = value.get_array()[1].get_string();
      }
      if (left.empty() || right.empty()) {
        fail(ErrorCode::kInvalidData, merges.location(), "merge {} is {}, expected two symbols", out_.merges.size(),
             json::dump(value));
      }
      both = left;
      both += right;
      out_.merges.push_back(
          {id_of(left, merges), id_of(right, merges), id_of(both, merges), static_cast<uint32_t>(out_.merges.size())});
    }
  }

  void read_added(const std::optional<json::Reader>& added) {
    if (!added) return;
    std::unordered_map<std::string, bool> seen;
    for (const auto& token : added->items()) {
      AddedToken out = read_added_token(token);
      out.id = static_cast<TokenId>(token.get("id").as_int(0, kMaxVocabulary - 1));
      if (!seen.emplace(out.text, true).second) {
        fail(ErrorCode::kInvalidData, token.location(), "adds '{}' a second time", out.text);
      }
      reach(out.id);
      const auto index = static_cast<size_t>(out.id);
      // An id is one token: its own text in the vocabulary, or none there.
      if (is_entry_[index] && bytes_[index] != out.text) {
        fail(ErrorCode::kInvalidData, token.location(), "gives '{}' the id {} of the vocabulary's '{}'", out.text,
             out.id, valid_utf8(bytes_[index]));
      }
      bytes_[index] = out.text;
      is_entry_[index] = false;
      out_.is_special[index] = out.is_special;
      out_.added_tokens.push_back(std::move(out));
    }
  }

  void read_pre_tokenizer() {
    const auto pre = json_.find("pre_tokenizer");
    if (!pre) fail(ErrorCode::kUnsupported, json_.location(), "has no pre_tokenizer, expected one with ByteLevel");
    bool has_byte_level = false;
    out_.pre_tokenizer = make_pre_tokenizer(*pre, has_byte_level);
    if (!has_byte_level) pre->fail_expected("a ByteLevel stage");
  }

  json::Reader json_;
  TokenizerParts out_;
  std::vector<std::string> bytes_;  // by id
  std::vector<bool> is_entry_;      // ids that merges may lead to
  std::unordered_map<std::string_view, TokenId> by_symbols_;
};

}  // namespace

AddedToken read_added_token(const json::Reader& json) {
  AddedToken out;
  out.text = json.get("content").as_string();
  if (out.text.empty()) json.get("content").fail_expected("a text");
  out.is_special = flag(json, "special");
  out.is_normalized = flag(json, "normalized", !out.is_special);
  out.strips_left = flag(json, "lstrip");
  out.strips_right = flag(json, "rstrip");
  out.is_single_word = flag(json, "single_word");
  return out;
}

TokenizerParts read_tokenizer_json(const json::Reader& json) { return JsonLoader(json).load(); }

}  // namespace fathom::tokenizer
