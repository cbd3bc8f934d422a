// Reading tokenizer.json and tokenizer_config.json: every field is checked before it is believed.

#include <algorithm>
#include <array>
#include <filesystem>
#include <unordered_map>

#include "base/error.h"
#include "base/mapped_file.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

// No vocabulary in the field has a quarter as many; a file that says more is lying or not ours.
constexpr int64_t kMaxVocabulary = 1 << 22;
constexpr TokenId kNone = -1;

// GPT-2's table: bytes that print stand for themselves, the others for U+0100 and on, in order.
std::array<int32_t, 0x144> byte_of_symbol() {
  std::array<int32_t, 0x144> table;
  table.fill(kNone);
  int32_t next = 0x100;
  for (int32_t byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    table[static_cast<size_t>(prints ? byte : next++)] = byte;
  }
  return table;
}

// The bytes that a vocabulary entry's symbols stand for; nothing when a character is no symbol.
std::optional<std::string> bytes_of(std::string_view symbols) {
  static const auto table = byte_of_symbol();
  std::string out;
  for (size_t at = 0; at < symbols.size();) {
    const CodePoint c = decode_utf8(symbols, at);
    if (c.value < 0 || c.value >= static_cast<int32_t>(table.size()) || table[static_cast<size_t>(c.value)] == kNone) {
      return std::nullopt;
    }
    out += static_cast<char>(table[static_cast<size_t>(c.value)]);
    at += static_cast<size_t>(c.length);
  }
  return out;
}

bool flag(const json::Reader& json, std::string_view key, bool otherwise = false) {
  const auto found = json.find(key);
  return found ? found->as_bool() : otherwise;
}

class Loader {
 public:
  Loader(const json::Reader& tokenizer, const std::optional<json::Reader>& config)
      : json_(tokenizer), config_(config) {}

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
    read_config();
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
      out_.merges.push_back({id_of(left, merges), id_of(right, merges), id_of(both, merges)});
    }
  }

  void read_added(const std::optional<json::Reader>& added) {
    if (!added) return;
    std::unordered_map<std::string, bool> seen;
    for (const auto& token : added->items()) {
      AddedToken out;
      out.id = static_cast<TokenId>(token.get("id").as_int(0, kMaxVocabulary - 1));
      out.text = token.get("content").as_string();
      if (out.text.empty()) token.get("content").fail_expected("a text");
      if (!seen.emplace(out.text, true).second) {
        fail(ErrorCode::kInvalidData, token.location(), "adds '{}' a second time", out.text);
      }
      out.is_special = flag(token, "special");
      out.is_normalized = flag(token, "normalized", !out.is_special);
      out.strips_left = flag(token, "lstrip");
      out.strips_right = flag(token, "rstrip");
      out.is_single_word = flag(token, "single_word");
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

  // The id of a token that the configuration names by text, or by an object with its content.
  std::optional<TokenId> named(const char* key) const {
    const auto field = config_ ? config_->find(key) : std::nullopt;
    if (!field) return std::nullopt;
    const std::string text(field->is_string() ? field->as_string() : field->get("content").as_string());
    for (const AddedToken& token : out_.added_tokens) {
      if (token.text == text) return token.id;
    }
    const auto found = by_symbols_.find(text);
    return found == by_symbols_.end() ? std::nullopt : std::optional(found->second);
  }

  void read_config() {
    out_.bos = named("bos_token");
    out_.eos = named("eos_token");
    out_.adds_bos = out_.bos && config_ && flag(*config_, "add_bos_token");
    // Without a configuration the family's own names will do.
    for (const AddedToken& token : out_.added_tokens) {
      if (!out_.bos && token.text == kBos) out_.bos = token.id;
      if (!out_.eos && token.text == kEos) out_.eos = token.id;
    }
  }

  json::Reader json_;
  std::optional<json::Reader> config_;
  TokenizerParts out_;
  std::vector<std::string> bytes_;  // by id
  std::vector<bool> is_entry_;      // ids that merges may lead to
  std::unordered_map<std::string_view, TokenId> by_symbols_;
};

std::shared_ptr<const Tokenizer> load_texts(std::string_view tokenizer_json, const std::string& where,
                                            std::string_view config, const std::string& config_where) {
  const json::Value tokenizer = json::parse(tokenizer_json, where);
  std::optional<json::Value> config_value;
  std::optional<json::Reader> config_reader;
  if (!config.empty()) {
    config_value = json::parse(config, config_where);
    config_reader.emplace(*config_value, config_where);
  }
  return std::make_shared<Tokenizer>(Loader(json::Reader(tokenizer, where), config_reader).load());
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::from_json(std::string_view tokenizer_json, std::string_view config) {
  return load_texts(tokenizer_json, "tokenizer.json", config, "tokenizer_config.json");
}

std::shared_ptr<const Tokenizer> Tokenizer::load(const std::string& folder) {
  const std::string path = folder + "/tokenizer.json";
  const std::string config_path = folder + "/tokenizer_config.json";
  const std::string config = std::filesystem::exists(config_path) ? read_text_file(config_path) : std::string();
  return load_texts(read_text_file(path), path, config, config_path);
}

}  // namespace fathom::tokenizer
