// Reading tokenizer.json: vocabulary, merges, added tokens, each checked before it is believed.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/mapped_file.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace fathom::tokenizer {
namespace {

// No vocabulary in the field has a quarter as many; a file that says more is lying or not ours.
constexpr int64_t kMaxVocabulary = 1 << 22;
constexpr int32_t kNone = -1;

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

}  // namespace

class TokenizerLoader {
 public:
  TokenizerLoader(const json::Value& json, const std::string& where) : json_(json, where) {}

  std::shared_ptr<const Tokenizer> load() {
    const json::Reader model = json_.get("model");
    if (const auto type = model.find("type"); type && type->as_string() != "BPE") type->fail_expected("BPE");
    size_ids(model);
    read_vocabulary(model.get("vocab"));
    read_merges(model.get("merges"));
    read_added();
    const auto pre = json_.find("pre_tokenizer");
    out_->pre_tokenizer_ = pre ? make_pre_tokenizer(*pre) : make_regex_stages({});
    index_whole_pieces();
    return out_;
  }

 private:
  void size_ids(const json::Reader& model) {
    int64_t highest = kNone;
    if (!model.get("vocab").is_object()) model.get("vocab").fail_expected("an object");
    for (const auto& [key, id] : model.get("vocab").value().get_object()) {
      if (id.is_int64()) highest = std::max(highest, id.get_int64());
    }
    if (const auto added = json_.find("added_tokens")) {
      for (const auto& token : added->items()) {
        highest = std::max(highest, token.get("id").as_int(0, kMaxVocabulary - 1));
      }
    }
    if (highest < 0 || highest >= kMaxVocabulary) {
      fail(ErrorCode::kInvalidData, model.location(), "the highest id is {}, expected 0 to {}", highest,
           kMaxVocabulary - 1);
    }
    out_->bytes_.resize(static_cast<size_t>(highest) + 1);
    out_->is_special_.resize(out_->bytes_.size(), false);
    is_model_.resize(out_->bytes_.size(), false);
  }

  void read_vocabulary(const json::Reader& vocab) {
    std::fill(std::begin(out_->byte_ids_), std::end(out_->byte_ids_), kNone);
    for (const auto& [symbols, value] : vocab.value().get_object()) {
      const int64_t id = value.is_int64() ? value.get_int64() : kNone;
      if (id < 0 || id >= out_->vocab_size() || is_model_[static_cast<size_t>(id)]) {
        fail(ErrorCode::kInvalidData, vocab.location(), "token '{}' has id {}, expected one of its own",
             std::string_view(symbols), json::dump(value));
      }
      const auto index = static_cast<size_t>(id);
      is_model_[index] = true;
      by_symbols_.emplace(symbols, static_cast<int32_t>(id));
      // Control tokens stand in the vocabulary by their own text, which is not made of byte symbols.
      const auto bytes = bytes_of(symbols);
      out_->bytes_[index] = bytes ? *bytes : std::string(symbols);
      if (bytes && bytes->size() == 1) out_->byte_ids_[static_cast<uint8_t>((*bytes)[0])] = static_cast<int32_t>(id);
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (out_->byte_ids_[byte] == kNone) {
        fail(ErrorCode::kInvalidData, vocab.location(), "has no token for byte {}, expected byte-level BPE", byte);
      }
    }
  }

  int32_t id_of(std::string_view symbols, const json::Reader& where) const {
    const auto found = by_symbols_.find(symbols);
    if (found == by_symbols_.end()) {
      fail(ErrorCode::kInvalidData, where.location(), "names '{}', which is not in the vocabulary", symbols);
    }
    return found->second;
  }

  void read_merges(const json::Reader& merges) {
    int32_t rank = 0;
    if (!merges.is_array()) merges.fail_expected("an array");
    out_->merges_.reserve(merges.value().get_array().size());
    for (const auto& value : merges.value().get_array()) {
      std::string_view left, right;
      if (value.is_string()) {
        const std::string_view both(value.get_string());
        const size_t space = both.find(' ');
        left = both.substr(0, space);
        right = space == std::string_view::npos ? std::string_view() : both.substr(space + 1);
      } else if (value.is_array() && value.get_array().size() == 2 && value.get_array()[0].is_string() &&
                 value.get_array()[1].is_string()) {
        left = value.get_array()[0].get_string();
        right = value.get_array()[1].get_string();
      }
      if (left.empty() || right.empty()) {
        fail(ErrorCode::kInvalidData, merges.location(), "merge {} is {}, expected two symbols", rank,
             json::dump(value));
      }
      const int32_t left_id = id_of(left, merges);
      const int32_t right_id = id_of(right, merges);
      const int32_t product = id_of(std::string(left) + std::string(right), merges);
      const uint64_t key =
          static_cast<uint64_t>(static_cast<uint32_t>(left_id)) << 32 | static_cast<uint32_t>(right_id);
      out_->merges_.emplace(key, Tokenizer::Pair{rank++, product});
    }
  }

  void read_added() {
    const auto added = json_.find("added_tokens");
    if (!added) return;
    for (const auto& token : added->items()) {
      const std::string text(token.get("content").as_string());
      if (text.empty()) token.get("content").fail_expected("a text");
      for (const char* flag : {"lstrip", "rstrip", "single_word"}) {
        if (const auto field = token.find(flag); field && field->as_bool()) field->fail_expected("false");
      }
      const auto id = static_cast<int32_t>(token.get("id").as_int(0, kMaxVocabulary - 1));
      if (!out_->added_.emplace(text, id).second) {
        fail(ErrorCode::kInvalidData, token.location(), "adds '{}' a second time", text);
      }
      out_->bytes_[static_cast<size_t>(id)] = text;
      const auto special = token.find("special");
      out_->is_special_[static_cast<size_t>(id)] = special && special->as_bool();
      is_model_[static_cast<size_t>(id)] = false;
      out_->added_first_[static_cast<uint8_t>(text[0])] = true;
      out_->longest_added_ = std::max(out_->longest_added_, text.size());
    }
  }

  // A piece that is a vocabulary entry may be looked up whole where the merges would build just that entry.
  void index_whole_pieces() {
    std::vector<int32_t> ids;
    out_->by_bytes_.reserve(out_->bytes_.size());
    for (size_t id = 0; id < out_->bytes_.size(); ++id) {
      if (!is_model_[id] || out_->bytes_[id].empty()) continue;
      ids.clear();
      out_->merge(out_->bytes_[id], ids);
      if (ids.size() == 1 && ids[0] == static_cast<int32_t>(id)) {
        out_->by_bytes_.emplace(out_->bytes_[id], static_cast<int32_t>(id));
      }
    }
  }

  json::Reader json_;
  std::shared_ptr<Tokenizer> out_ = std::make_shared<Tokenizer>();
  std::vector<bool> is_model_;  // ids of byte-level entries
  std::unordered_map<std::string_view, int32_t> by_symbols_;
};

std::shared_ptr<const Tokenizer> Tokenizer::parse(std::string_view json_text, const std::string& where) {
  const json::Value value = json::parse(json_text, where);
  return TokenizerLoader(value, where).load();
}

std::shared_ptr<const Tokenizer> Tokenizer::load(const std::string& folder) {
  const std::string path = folder + "/tokenizer.json";
  return parse(read_text_file(path), path);
}

}  // namespace fathom::tokenizer
