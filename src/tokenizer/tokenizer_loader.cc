// Which file a checkpoint keeps its tokenizer in, and what tokenizer_config.json adds to it.

#include <filesystem>

#include "base/error.h"
#include "base/hash.h"
#include "base/mapped_file.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/tokenizer_path.h"

namespace fathom::tokenizer {
namespace {

constexpr std::string_view kTiktokenName = "/tiktoken.model";

// A JSON text with the reader that names it in errors; empty for an empty text.
class ConfigFile {
 public:
  ConfigFile(std::string_view text, const std::string& where) {
    if (text.empty()) return;
    value_ = json::parse(text, where);
    reader_.emplace(value_, where);
  }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;
  const std::optional<json::Reader>& reader() const { return reader_; }

 private:
  json::Value value_;
  std::optional<json::Reader> reader_;
};

std::shared_ptr<const Tokenizer> load_json(std::string_view text, const std::string& where, const ConfigFile& config) {
  const json::Value value = json::parse(text, where);
  TokenizerParts parts = read_tokenizer_json(json::Reader(value, where));
  find_sentence_tokens(config.reader(), parts);
  return std::make_shared<Tokenizer>(std::move(parts));
}

// The id of the token that the configuration names by text, or by an object with its content.
std::optional<TokenId> named(const std::optional<json::Reader>& config, const char* key, const TokenizerParts& parts) {
  const auto field = config ? config->find(key) : std::nullopt;
  if (!field) return std::nullopt;
  const std::string text(field->is_string() ? field->as_string() : field->get("content").as_string());
  for (const AddedToken& token : parts.added_tokens) {
    if (token.text == text) return token.id;
  }
  for (size_t id = 0; id < parts.tokens.size(); ++id) {
    if (parts.tokens[id] == text) return static_cast<TokenId>(id);
  }
  return std::nullopt;
}

}  // namespace

void find_sentence_tokens(const std::optional<json::Reader>& config, TokenizerParts& parts) {
  parts.bos = named(config, "bos_token", parts);
  parts.eos = named(config, "eos_token", parts);
  const auto adds_bos = config ? config->find("add_bos_token") : std::nullopt;
  parts.adds_bos = adds_bos && adds_bos->as_bool() && parts.bos;
  for (const AddedToken& token : parts.added_tokens) {
    if (!parts.bos && token.text == kBos) parts.bos = token.id;
    if (!parts.eos && token.text == kEos) parts.eos = token.id;
  }
}

std::string tokenizer_path(const std::string& folder) {
  std::string json = folder + "/tokenizer.json";
  std::string tiktoken = folder + std::string(kTiktokenName);
  return std::filesystem::exists(json) || !std::filesystem::exists(tiktoken) ? json : tiktoken;
}

uint64_t tokenizer_hash(const std::string& folder) { return hash64(read_text_file(tokenizer_path(folder))); }

std::shared_ptr<const Tokenizer> Tokenizer::from_json(std::string_view tokenizer_json, std::string_view config) {
  return load_json(tokenizer_json, "tokenizer.json", ConfigFile(config, "tokenizer_config.json"));
}

std::shared_ptr<const Tokenizer> Tokenizer::from_tiktoken(std::string_view text, std::string_view config) {
  const ConfigFile config_file(config, "tokenizer_config.json");
  return std::make_shared<Tokenizer>(read_tiktoken(text, "tiktoken.model", config_file.reader()));
}

std::shared_ptr<const Tokenizer> Tokenizer::load(const std::string& folder) {
  const std::string config_path = folder + "/tokenizer_config.json";
  const std::string config_text = std::filesystem::exists(config_path) ? read_text_file(config_path) : std::string();
  const ConfigFile config(config_text, config_path);
  const std::string path = tokenizer_path(folder);
  if (!path.ends_with(kTiktokenName)) return load_json(read_text_file(path), path, config);
  return std::make_shared<Tokenizer>(read_tiktoken(read_text_file(path), path, config.reader()));
}

}  // namespace fathom::tokenizer
