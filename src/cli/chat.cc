// fathom chat: a conversation with a model on the terminal, or one turn a line from a pipe.

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "base/progress.h"
#include "cli/chat_flags.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/line_editor.h"
#include "cli/model_flags.h"
#include "cli/sampling_flags.h"
#include "engine/stop_matcher.h"
#include "tokenizer/reasoning_splitter.h"
#include "tokenizer/stream_decoder.h"

namespace fathom::cli {
namespace {

constexpr const char* kHelp =
    "Write, and the model answers; a line that ends in \\ goes on in the next. Control-C ends an answer, Control-D the "
    "chat.\n"
    "  /edit [TEXT]       say the last thing differently\n"
    "  /retry             another answer to the last thing said\n"
    "  /undo              forget the last thing said and its answer\n"
    "  /reset             begin anew, with the same system text\n"
    "  /system [TEXT]     set the system text and begin anew\n"
    "  /prefix TEXT       how the next answer begins\n"
    "  /thinking on|off   ask for reasoning, where the model has a choice\n"
    "  /save FILE         write the conversation as JSON; /load FILE reads one\n"
    "  /stats             speed of the last answer\n"
    "  /help, /quit\n";

struct ChatCommandFlags {
  ModelFlags model;
  SamplingFlags sampling;
  ChatFlags chat;
  std::string system;
  std::optional<std::string> history;
  bool hides_reasoning = false;
};

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fail(ErrorCode::kIo, "standard output", "cannot write: {}", std::strerror(errno));
  }
}

std::string default_history() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state == nullptr && home == nullptr) return {};
  const std::string folder =
      state != nullptr ? std::string(state) + "/fathom" : std::string(home) + "/.local/state/fathom";
  std::error_code ignored;  // without a folder the history is of this run alone
  std::filesystem::create_directories(folder, ignored);
  return folder + "/chat_history";
}

// What streams to the reader: reasoning dimmed on a terminal, in the model's own tags elsewhere.
class Display {
 public:
  Display(bool is_terminal, bool hides_reasoning) : is_terminal_(is_terminal), hides_reasoning_(hides_reasoning) {}

  void show(const tokenizer::ReasoningSplitter::Parts& parts) {
    if (!parts.reasoning.empty() && !hides_reasoning_) {
      if (!is_in_reasoning_) print(is_terminal_ ? "\x1b[2m" : "<think>\n");
      is_in_reasoning_ = true;
      print(parts.reasoning);
    }
    if (!parts.content.empty()) {
      end_reasoning();
      print(parts.content);
    }
  }
  void finish() {
    end_reasoning();
    print("\n");
  }

 private:
  void end_reasoning() {
    if (is_in_reasoning_) print(is_terminal_ ? "\x1b[0m\n\n" : "\n</think>\n\n");
    is_in_reasoning_ = false;
  }

  bool is_terminal_;
  bool hides_reasoning_;
  bool is_in_reasoning_ = false;
};

class Chat {
 public:
  explicit Chat(ChatCommandFlags& flags)
      : flags_(flags),
        params_(flags.sampling.finish()),
        model_(flags.model.load()),
        tokenizer_(tokenizer::Tokenizer::load(flags.model.model)),
        encoding_(flags.chat.encoding_for(flags.model.model, *tokenizer_)),
        generator_(model_->transformer(), model_->context(), flags.sampling.context_for(model_->config())),
        editor_(flags.history ? *flags.history : default_history()) {
    options_.thinking = flags.chat.is_thinking;
    params_.sampling.vocab_size = static_cast<int64_t>(tokenizer_->vocab_size());
    for (const int64_t id : model_->config().eos_token_ids) params_.stop_tokens.push_back(static_cast<int32_t>(id));
    for (const char* text : {"<｜User｜>", "<｜begin▁of▁sentence｜>"}) {
      if (const auto id = tokenizer_->find_added(text)) params_.stop_tokens.push_back(*id);
    }
    reset(flags.system);
  }

  void run() {
    if (editor_.is_terminal()) fmt::print("{}\n/help shows what else there is.\n\n", flags_.model.model);
    while (!is_done_) {
      std::optional<std::string> line = read_line();
      if (!line) break;
      if (line->empty()) continue;
      try {
        line->starts_with('/') ? command(*line) : say(*line);
      } catch (const Error& error) {
        // A person goes on; a pipe would not notice.
        if (!editor_.is_terminal()) throw;
        fmt::print(stderr, "error: {}\n", error.what());
      }
    }
    if (editor_.is_terminal()) print("\n");
  }

 private:
  std::optional<std::string> read_line() {
    std::optional<std::string> line = editor_.read("> ");
    while (line && line->ends_with('\\')) {
      line->back() = '\n';
      const auto more = editor_.read(". ");
      if (!more) break;
      *line += *more;
    }
    return line;
  }

  void reset(const std::string& system) {
    system_ = system;
    messages_.clear();
    if (!system.empty()) add("system", system);
  }

  tokenizer::Message& add(const std::string& role, const std::string& content) {
    tokenizer::Message message;
    message.role = role;
    message.content = content;
    return messages_.emplace_back(std::move(message));
  }

  void say(const std::string& text) {
    add("user", text);
    answer();
  }

  // Forgets up to the last thing that was said, and returns it.
  std::string take_back() {
    for (size_t i = messages_.size(); i > 0; --i) {
      if (messages_[i - 1].role != "user") continue;
      std::string text = *messages_[i - 1].content;
      messages_.resize(i - 1);
      return text;
    }
    fail(ErrorCode::kInvalidArgument, "", "nothing was said yet");
  }

  void command(const std::string& line) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(1, space - 1);
    const std::string rest = space < line.size() ? line.substr(space + 1) : std::string();
    if (name == "help") {
      print(kHelp);
    } else if (name == "quit" || name == "exit") {
      is_done_ = true;
    } else if (name == "reset") {
      reset(system_);
    } else if (name == "system") {
      reset(rest);
    } else if (name == "undo") {
      take_back();
    } else if (name == "retry") {
      say(take_back());
    } else if (name == "edit") {
      const std::string before = take_back();
      const auto text = rest.empty() ? editor_.read("> ", before) : std::optional(rest);
      if (text && !text->empty()) say(*text);
    } else if (name == "prefix") {
      prefix_ = rest;
    } else if (name == "thinking" && (rest == "on" || rest == "off")) {
      options_.thinking = rest == "on";
    } else if (name == "save" && !rest.empty()) {
      save(rest);
    } else if (name == "load" && !rest.empty()) {
      load(rest);
    } else if (name == "stats") {
      print(stats_.empty() ? "nothing was answered yet\n" : stats_ + "\n");
    } else {
      fail(ErrorCode::kInvalidArgument, "", "'{}' is not understood; /help lists what is", line);
    }
  }

  void save(const std::string& path) const {
    json::Array out;
    for (const auto& message : messages_) {
      json::Object object{{"role", message.role}, {"content", *message.content}};
      if (message.reasoning_content) object["reasoning_content"] = *message.reasoning_content;
      out.push_back(std::move(object));
    }
    AtomicFile file(path);
    file.write(json::dump(out) + "\n");
    file.commit();
  }

  void load(const std::string& path) {
    const json::Value value = json::parse_file(path);
    auto messages = tokenizer::read_messages(json::Reader(value, path));
    for (const auto& message : messages) {
      if (!message.content) fail(ErrorCode::kInvalidData, path, "has a message without content");
    }
    messages_ = std::move(messages);
  }

  std::vector<tokenizer::Segment> prompt() {
    auto segments = tokenizer::render_chat(encoding_, messages_, options_);
    if (!prefix_.empty()) segments.push_back(tokenizer::plain(prefix_));
    return segments;
  }

  // Streams the model's answer and keeps it. An answer that fails leaves the conversation as it was before.
  void answer() {
    try {
      stream();
    } catch (...) {
      take_back();
      throw;
    }
  }

  void stream() {
    const auto ids = tokenizer_->encode(prompt());
    Display display(editor_.is_terminal(), flags_.hides_reasoning);
    tokenizer::StreamDecoder decoder(tokenizer_);
    tokenizer::ReasoningSplitter splitter(tokenizer::ends_in_reasoning(encoding_, options_));
    engine::StopMatcher stops(flags_.sampling.stop);
    tokenizer::ReasoningSplitter::Parts all;
    const auto take = [&](const tokenizer::ReasoningSplitter::Parts& parts) {
      display.show(parts);
      all.reasoning += parts.reasoning;
      all.content += parts.content;
    };
    const InterruptGuard guard;
    auto progress = std::make_unique<Progress>("reading", static_cast<int64_t>(ids.size()));
    if (!prefix_.empty()) take(splitter.push(prefix_));
    const auto stats = generator_.generate(
        ids, params_,
        [&](int32_t token) {
          progress.reset();
          take(splitter.push(stops.push(decoder.push(token))));
          return !stops.is_stopped() && !InterruptGuard::is_interrupted();
        },
        [&](int64_t done) {
          if (InterruptGuard::is_interrupted()) throw Interrupted();
          if (progress) progress->update(done);
        });
    progress.reset();
    take(splitter.push(stops.push(decoder.finish())));
    if (!stops.is_stopped()) take(splitter.push(stops.finish()));
    take(splitter.finish());
    display.finish();
    auto& message = add("assistant", all.content);
    if (!all.reasoning.empty()) message.reasoning_content = all.reasoning;
    prefix_.clear();
    ++params_.sampling.seed;  // another answer to the same words is another one
    stats_ = stats_text(stats);
    if (flags_.sampling.show_stats) fmt::print(stderr, "{}\n", stats_);
  }

  ChatCommandFlags& flags_;
  engine::GenerateParams params_;
  std::unique_ptr<engine::LoadedModel> model_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  tokenizer::ChatEncoding encoding_;
  engine::Generator generator_;
  LineEditor editor_;
  tokenizer::ChatOptions options_;
  std::vector<tokenizer::Message> messages_;
  std::string system_;
  std::string prefix_;
  std::string stats_;
  bool is_done_ = false;
};

}  // namespace

void add_chat(CLI::App& app) {
  auto flags = std::make_shared<ChatCommandFlags>();
  CLI::App* command = app.add_subcommand("chat", "talk with a model; from a pipe, a turn a line");
  flags->model.add_to(*command);
  flags->chat.add_to(*command);
  flags->sampling.add_to(*command);
  command->add_option("--system", flags->system, "what the model is told before all else");
  command->add_flag("--hide-reasoning", flags->hides_reasoning, "show answers alone");
  command->add_option("--history", flags->history, "where lines are kept for the next time; \"\": nowhere")
      ->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  fathom chat --model DIR --temperature 0.6 --system \"Answer in one sentence.\"\n"
      "  echo \"What is 2 + 2?\" | fathom chat --model DIR --temperature 0");
  command->callback([flags] { Chat(*flags).run(); });
}

}  // namespace fathom::cli
