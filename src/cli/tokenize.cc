// fathom tokenize: text to ids and back.

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "cli/command.h"
#include "tokenizer/tokenizer.h"

namespace fathom::cli {
namespace {

struct TokenizeFlags {
  std::string model;
  std::optional<std::string> text;
  std::string file = "-";
  bool is_jsonl = false;
  bool is_decode = false;
  bool is_plain = false;
  bool show_pieces = false;
};

using Ids = std::vector<int32_t>;

Ids ids_of(const json::Reader& json) {
  Ids ids;
  for (const auto& id : json.items()) ids.push_back(static_cast<int32_t>(id.as_int(0, INT32_MAX)));
  return ids;
}

json::Value line_of(const tokenizer::Tokenizer& tokenizer, const TokenizeFlags& flags, const json::Reader& line) {
  if (flags.is_decode) return json::Object{{"text", tokenizer.decode(ids_of(line.get("ids")))}};
  const auto ids = tokenizer.encode(line.get("text").as_string(), {.parse_special = !flags.is_plain});
  return json::Object{{"ids", json::Array(ids.begin(), ids.end())}};
}

void convert_lines(const tokenizer::Tokenizer& tokenizer, const TokenizeFlags& flags, std::istream& in) {
  std::string line;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    const std::string where = fmt::format("line {}", number);
    const json::Value value = json::parse(line, where);
    const std::string out = json::dump(line_of(tokenizer, flags, json::Reader(value, where))) + "\n";
    std::fwrite(out.data(), 1, out.size(), stdout);
  }
}

void print_ids(const tokenizer::Tokenizer& tokenizer, const TokenizeFlags& flags, const std::string& text) {
  for (const int32_t id : tokenizer.encode(text, {.parse_special = !flags.is_plain})) {
    if (flags.show_pieces) {
      fmt::print("{}\t{}\n", id, json::quote(tokenizer.token_bytes(id)));
    } else {
      fmt::print("{} ", id);
    }
  }
  if (!flags.show_pieces) fmt::print("\n");
}

void run(const TokenizeFlags& flags) {
  const auto tokenizer = tokenizer::Tokenizer::load(flags.model);
  if (flags.text) return print_ids(*tokenizer, flags, *flags.text);
  std::ifstream file;
  if (flags.file != "-") {
    file.open(flags.file, std::ios::binary);
    if (!file) fail(ErrorCode::kNotFound, flags.file, "cannot open");
  }
  std::istream& in = flags.file == "-" ? std::cin : file;
  if (flags.is_jsonl || flags.is_decode) return convert_lines(*tokenizer, flags, in);
  print_ids(*tokenizer, flags, {std::istreambuf_iterator<char>(in), {}});
}

}  // namespace

void add_tokenize(CLI::App& app) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* command = app.add_subcommand("tokenize", "turn text into token ids, and back");
  command->add_option("-m,--model", flags->model, "folder with tokenizer.json")->required()->type_name("DIR");
  command->add_option("--text", flags->text, "the text; without it FILE or standard input");
  command->add_option("file", flags->file, "file to read, - for standard input")->type_name("FILE");
  command->add_flag("--jsonl", flags->is_jsonl, "read {\"text\"} lines, write {\"ids\"} lines");
  command->add_flag("--decode", flags->is_decode, "read {\"ids\"} lines, write {\"text\"} lines");
  command->add_flag("--no-special", flags->is_plain, "read texts of control tokens as ordinary text");
  command->add_flag("--pieces", flags->show_pieces, "a line for each token, with its text");
  command->footer(
      "Examples:\n"
      "  fathom tokenize --model DIR --text \"Hello, world!\"\n"
      "  fathom tokenize --model DIR --jsonl < texts.jsonl > ids.jsonl");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
