// fathom render: chat messages to the prompt that the model reads.

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "base/error.h"
#include "base/json.h"
#include "cli/chat_flags.h"
#include "cli/command.h"
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

namespace fathom::cli {
namespace {

struct RenderFlags {
  std::string model;
  std::string file = "-";
  ChatFlags chat;
  bool is_jsonl = false;
  bool is_as_served = false;
};

class Renderer {
 public:
  explicit Renderer(const RenderFlags& flags) : flags_(flags), tokenizer_(tokenizer::Tokenizer::load(flags.model)) {}

  // A line of {"messages", "template"?, "add_generation_prompt"?, "thinking"?, "tools"?}.
  json::Value line(const json::Reader& json) {
    const auto messages = tokenizer::read_messages(json.get("messages"));
    const auto segments = tokenizer::render_chat(encoding(json), messages, options(json));
    const std::string text = tokenizer::text_of(segments);
    // The reference encodes the rendered text as one string, in which everything that spells a control is one.
    const auto ids =
        flags_.is_as_served ? tokenizer_->encode(segments) : tokenizer_->encode(text, {.parse_special = true});
    return json::Object{{"text", text}, {"ids", json::Array(ids.begin(), ids.end())}};
  }

  // The prompt of an array of messages, or of an object as in a line.
  std::string text(const json::Reader& json) {
    if (!json.is_array()) return std::string(line(json).at("text").as_string());
    const tokenizer::ChatOptions options = {.thinking = flags_.chat.is_thinking};
    return tokenizer::text_of(tokenizer::render_chat(default_encoding(), tokenizer::read_messages(json), options));
  }

 private:
  tokenizer::ChatEncoding default_encoding() {
    if (!known_) known_ = flags_.chat.encoding_for(flags_.model, *tokenizer_);
    return *known_;
  }

  tokenizer::ChatEncoding encoding(const json::Reader& json) {
    const auto name = json.find("template");
    return name ? tokenizer::chat_encoding_from_name(name->as_string()) : default_encoding();
  }

  tokenizer::ChatOptions options(const json::Reader& json) const {
    const auto flag = [&](const char* key, bool otherwise) {
      const auto field = json.find(key);
      return field ? field->as_bool() : otherwise;
    };
    const auto tools = json.find("tools");
    return {.add_generation_prompt = flag("add_generation_prompt", true),
            .thinking = flag("thinking", flags_.chat.is_thinking),
            .tools = tools ? tokenizer::read_tools(*tools) : std::vector<tokenizer::Tool>()};
  }

  const RenderFlags& flags_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  std::optional<tokenizer::ChatEncoding> known_;
};

void run(const RenderFlags& flags) {
  Renderer renderer(flags);
  std::ifstream file;
  if (flags.file != "-") {
    file.open(flags.file, std::ios::binary);
    if (!file) fail(ErrorCode::kNotFound, flags.file, "cannot open");
  }
  std::istream& in = flags.file == "-" ? std::cin : file;
  const std::string source = flags.file == "-" ? "standard input" : flags.file;
  if (!flags.is_jsonl) {
    const json::Value value = json::parse(std::string(std::istreambuf_iterator<char>(in), {}), source);
    fmt::print("{}\n", renderer.text(json::Reader(value, source)));
    return;
  }
  std::string line;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    const std::string where = fmt::format("{}, line {}", source, number);
    const json::Value value = json::parse(line, where);
    fmt::print("{}\n", json::dump(renderer.line(json::Reader(value, where))));
  }
}

}  // namespace

void add_render(CLI::App& app) {
  auto flags = std::make_shared<RenderFlags>();
  CLI::App* command = app.add_subcommand("render", "show the prompt that chat messages become");
  command->add_option("-m,--model", flags->model, "checkpoint folder with tokenizer.json")
      ->required()
      ->type_name("DIR");
  command->add_option("file", flags->file, "messages as JSON, - for standard input")->type_name("FILE");
  flags->chat.add_to(*command);
  command->add_flag("--jsonl", flags->is_jsonl,
                    "one request a line: messages, template, add_generation_prompt, thinking, tools; writes text, ids");
  command->add_flag("--as-served", flags->is_as_served,
                    "ids as chat makes them: what users wrote never becomes a control token");
  command->footer(
      "Examples:\n"
      "  echo '[{\"role\":\"user\",\"content\":\"Hi\"}]' | fathom render --model DIR\n"
      "  fathom render --model DIR --jsonl requests.jsonl");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
