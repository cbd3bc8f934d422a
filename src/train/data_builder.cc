#include "train/data_builder.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "tokenizer/utf8.h"

namespace fathom::train {
namespace {

using tokenizer::Segment;

// Streams of random numbers, one for each question.
enum : uint64_t { kHeldoutStream = 1, kFimStream = 2 };

constexpr size_t kNamedBadLines = 5;

bool is_inside_character(const std::string& text, size_t at) {
  return at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80;
}

size_t character_at(const std::string& text, size_t at) {
  while (is_inside_character(text, at)) ++at;
  return at;
}

// What is cut out of a text to be filled in: [begin, end).
struct Gap {
  size_t begin;
  size_t end;
};

// Of a third of the texts whole lines, of a third the rest of a line, as an editor asks for it, of a third anything.
Gap gap_of(const std::string& text, uint64_t kind, uint64_t one, uint64_t other) {
  enum : uint64_t { kLines, kRestOfLine, kAny, kKinds };
  size_t begin = std::min(one, other) % text.size();
  size_t end = std::max(one, other) % text.size();
  if (begin > end) std::swap(begin, end);
  const auto line_end = [&](size_t at) { return std::min(text.find('\n', at), text.size()); };
  switch (kind % kKinds) {
    case kLines:
      return {std::min(line_end(begin) + 1, text.size()), std::min(line_end(end) + 1, text.size())};
    case kRestOfLine:
      begin = character_at(text, begin);
      return {begin, line_end(begin)};
    default:
      return {character_at(text, begin), character_at(text, end)};
  }
}

// Where the piece that begins at `begin` ends: behind the last line end within `bytes`, or at a character.
size_t piece_end(const std::string& text, size_t begin, size_t bytes) {
  if (text.size() - begin <= bytes) return text.size();
  const size_t last = text.rfind('\n', begin + bytes - 1);
  if (last != std::string::npos && last > begin + bytes / 2) return last + 1;
  return character_at(text, begin + bytes);
}

bool begins_with(const std::vector<int32_t>& ids, const Document& document) {
  return document.size() <= ids.size() &&
         std::equal(document.begin(), document.end(), ids.begin(),
                    [](const ShardToken& token, int32_t id) { return token.id() == id; });
}

int64_t text_bytes_of(const std::vector<Segment>& segments) {
  int64_t bytes = 0;
  for (const Segment& segment : segments) bytes += segment.is_control ? 0 : static_cast<int64_t>(segment.text.size());
  return bytes;
}

// What stands in `whole` behind `beginning`, of which it is the continuation.
std::vector<Segment> behind(const std::vector<Segment>& whole, const std::vector<Segment>& beginning,
                            const std::string& where) {
  size_t skipped = 0;
  for (const Segment& segment : beginning) skipped += segment.text.size();
  std::vector<Segment> out;
  for (const Segment& segment : whole) {
    const size_t size = segment.text.size();
    if (skipped >= size) {
      skipped -= size;
      continue;
    }
    out.push_back({segment.is_control, segment.text.substr(skipped)});
    skipped = 0;
  }
  if (!tokenizer::text_of(whole).starts_with(tokenizer::text_of(beginning))) {
    fail(ErrorCode::kInvalidData, where, "renders an answer that is no continuation of its prompt");
  }
  return out;
}

}  // namespace

DataBuilder::DataBuilder(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, const DataParams& params)
    : tokenizer_(std::move(tokenizer)), params_(params) {
  if (!tokenizer_->bos() || !tokenizer_->eos()) {
    fail(ErrorCode::kInvalidData, "tokenizer", "has no begin- or end-of-sentence token, which documents stand between");
  }
}

DataSplit* DataBuilder::place(std::string_view content) {
  const uint64_t hash = hash64(content);
  if (!seen_.insert(hash).second) {
    ++counts_.duplicates;
    return nullptr;
  }
  return RandomStream(params_.seed, kHeldoutStream).uniform(hash) < params_.heldout_share ? &heldout_ : &train_;
}

std::vector<Segment> DataBuilder::plain_or_fim(const std::string& text, uint64_t hash, double rate) {
  const RandomStream random(params_.seed, kFimStream);
  if (text.size() < 2 || random.uniform(4 * hash) >= rate) {
    return {tokenizer::control(tokenizer::kBos), tokenizer::plain(text)};
  }
  const Gap gap = gap_of(text, random.bits(4 * hash + 1), random.bits(4 * hash + 2), random.bits(4 * hash + 3));
  ++counts_.fim;
  std::vector<Segment> out = tokenizer::fim_prompt(text.substr(0, gap.begin), text.substr(gap.end));
  out.push_back(tokenizer::plain(text.substr(gap.begin, gap.end - gap.begin)));
  return out;
}

void DataBuilder::add_document(Document document, int64_t text_bytes, DataSplit& split) {
  split.tokens += static_cast<int64_t>(document.size());
  split.learned_tokens +=
      std::count_if(document.begin(), document.end(), [](const ShardToken& token) { return token.is_learned(); });
  split.text_bytes += text_bytes;
  split.documents.push_back(std::move(document));
}

void DataBuilder::add_text(const std::string& text, const std::string& where) {
  if (text.empty()) return;
  if (!tokenizer::is_valid_utf8(text)) fail(ErrorCode::kInvalidData, where, "is no UTF-8");
  DataSplit* split = place(text);
  if (split == nullptr) return;
  const double fim_rate = split == &heldout_ ? 0 : params_.fim_rate;
  if (params_.piece_bytes <= 0 || split == &heldout_) return add_piece(text, fim_rate, *split);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = piece_end(text, begin, static_cast<size_t>(params_.piece_bytes));
    add_piece(text.substr(begin, end - begin), fim_rate, *split);
    begin = end;
  }
}

void DataBuilder::add_piece(const std::string& text, double fim_rate, DataSplit& split) {
  Document document;
  for (const int32_t id : tokenizer_->encode(plain_or_fim(text, hash64(text), fim_rate))) {
    document.emplace_back(id, true);
  }
  document.emplace_back(*tokenizer_->eos(), true);
  add_document(std::move(document), static_cast<int64_t>(text.size()), split);
}

// Every answer is learned behind the prompt that it was given to. As long as a prompt continues what was said before,
// answers of one chat share a document; earlier reasoning is not shown again, so that one with reasoning begins a new
// document.
void DataBuilder::add_chat(const json::Reader& line, DataSplit& split) {
  const std::vector<tokenizer::Message> messages = tokenizer::read_messages(line.get("messages"));
  const auto tools = line.find("tools");
  tokenizer::ChatOptions options;
  if (tools) options.tools = tokenizer::read_tools(*tools);
  const auto render = [&](size_t count, bool asks, bool thinking) {
    options.add_generation_prompt = asks;
    options.thinking = thinking;
    return tokenizer::render_chat(params_.chat_encoding,
                                  {messages.begin(), messages.begin() + static_cast<long>(count)}, options);
  };
  Document document;
  int64_t text_bytes = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "assistant") continue;
    const bool has_reasoning = messages[i].reasoning_content && !messages[i].reasoning_content->empty();
    std::vector<Segment> answer;
    if (has_reasoning) {
      answer = {tokenizer::plain(*messages[i].reasoning_content), tokenizer::control("</think>")};
    }
    const auto said = behind(render(i + 1, false, false), render(i, true, false), line.location());
    answer.insert(answer.end(), said.begin(), said.end());
    const std::vector<int32_t> prompt = tokenizer_->encode(render(i, true, has_reasoning));
    if (!begins_with(prompt, document)) {
      add_document(std::move(document), text_bytes, split);
      document.clear();
      text_bytes = 0;
    }
    for (size_t t = document.size(); t < prompt.size(); ++t) document.emplace_back(prompt[t], params_.learns_all);
    for (const int32_t id : tokenizer_->encode(answer)) document.emplace_back(id, true);
    text_bytes += text_bytes_of(answer);
  }
  if (document.empty()) line.get("messages").fail_expected("an answer of the assistant");
  add_document(std::move(document), text_bytes, split);
}

bool DataBuilder::is_wanted(const json::Reader& line) const {
  if (!params_.filter) return true;
  const auto value = line.find(params_.filter->key);
  const auto& wanted = params_.filter->values;
  return value && std::find(wanted.begin(), wanted.end(), value->as_string()) != wanted.end();
}

void DataBuilder::add_line(const json::Reader& line) {
  if (!is_wanted(line)) {
    ++counts_.filtered;
    return;
  }
  if (const auto text = line.find("text")) return add_text(std::string(text->as_string()), line.location());
  if (!line.find("messages")) line.fail_expected("\"text\" or \"messages\"");
  DataSplit* split = place(json::dump(line.get("messages").value()));
  if (split != nullptr) add_chat(line, *split);
}

void DataBuilder::add_jsonl(std::istream& in, const std::string& where) {
  std::string text;
  for (int64_t number = 1; std::getline(in, text); ++number) {
    if (text.empty()) continue;
    ++counts_.lines;
    const std::string place = fmt::format("{}: line {}", where, number);
    try {
      const json::Value value = json::parse(text, place);
      add_line(json::Reader(value, place));
    } catch (const Error& error) {
      if (params_.bad_lines == BadLines::kFatal) throw;
      ++counts_.bad;
      if (counts_.first_bad.size() < kNamedBadLines) counts_.first_bad.emplace_back(error.what());
    }
  }
}

}  // namespace fathom::train
