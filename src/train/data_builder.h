#pragma once
// Text, JSONL and chats to documents of tokens.

#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/json.h"
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"
#include "train/token_shard.h"

namespace fathom::train {

enum class BadLines { kFatal, kSkipped };

// Lines of JSONL that are taken: those in which `key` is one of the values.
struct LineFilter {
  std::string key;
  std::vector<std::string> values;
};

struct DataParams {
  double fim_rate = 0;       // documents of plain text that become prefix, suffix, middle
  int64_t piece_bytes = 0;   // longer texts are cut at line ends into documents of about so many bytes; 0: left whole
  double heldout_share = 0;  // documents that go to the held-out split
  uint64_t seed = 0;
  BadLines bad_lines = BadLines::kFatal;
  bool learns_all = false;  // chats: every token is learned, as in pretraining, not the assistant's alone
  tokenizer::ChatEncoding chat_encoding = tokenizer::ChatEncoding::kV31;
  std::optional<LineFilter> filter = {};
};

struct DataSplit {
  std::vector<Document> documents;
  int64_t tokens = 0;
  int64_t learned_tokens = 0;
  int64_t text_bytes = 0;  // of documents, controls left out
};

struct DataCounts {
  int64_t lines = 0;
  int64_t filtered = 0;  // of other kinds than the wanted ones
  int64_t duplicates = 0;
  int64_t fim = 0;
  int64_t bad = 0;
  std::vector<std::string> first_bad;  // what was wrong with the first few
};

class DataBuilder {
 public:
  DataBuilder(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, const DataParams& params);

  // A whole text is one document. `where` names it in errors and decides with the text on which side it falls.
  void add_text(const std::string& text, const std::string& where);
  // Lines of {"text"}, or of {"messages", "tools"?}. Throws Error for a line that is neither, unless they are skipped.
  void add_jsonl(std::istream& in, const std::string& where);

  const DataSplit& train() const { return train_; }
  const DataSplit& heldout() const { return heldout_; }
  const DataCounts& counts() const { return counts_; }

 private:
  bool is_wanted(const json::Reader& line) const;
  void add_line(const json::Reader& line);
  void add_chat(const json::Reader& line, DataSplit& split);
  void add_piece(const std::string& text, double fim_rate, DataSplit& split);
  void add_document(Document document, int64_t text_bytes, DataSplit& split);
  // Where a document of this content goes; null: it was there before.
  DataSplit* place(std::string_view content);
  // Begin of sentence and text, or with probability `rate` its parts in the order prefix, suffix, middle.
  std::vector<tokenizer::Segment> plain_or_fim(const std::string& text, uint64_t hash, double rate);

  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  DataParams params_;
  DataSplit train_;
  DataSplit heldout_;
  DataCounts counts_;
  std::unordered_set<uint64_t> seen_;  // hashes of contents
};

}  // namespace fathom::train
