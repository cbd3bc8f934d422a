#include "evaluate/task.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "base/error.h"
#include "tokenizer/tool_call_parser.h"

namespace fathom::evaluate {
namespace {

using tokenizer::Message;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string_view first_line(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  const auto last = line.find_last_not_of(" \t\r");
  return last == std::string_view::npos ? std::string_view() : line.substr(0, last + 1);
}

bool is_same_json(const std::string& a, const std::string& b) {
  try {
    return json::parse(trimmed(a), "answer") == json::parse(trimmed(b), "expected");
  } catch (const Error&) {
    return false;
  }
}

bool is_same_call(const tokenizer::ToolCall& a, const tokenizer::ToolCall& b) {
  return a.name == b.name && is_same_json(a.arguments, b.arguments);
}

std::string text_or(const json::Reader& line, const char* key, const char* otherwise) {
  const auto value = line.find(key);
  return value ? std::string(value->as_string()) : otherwise;
}

// The prompt in front of message `i`.
void ask(Task& task, tokenizer::ChatEncoding encoding, const std::vector<Message>& messages, size_t i,
         tokenizer::ChatOptions options) {
  options.thinking = messages[i].reasoning_content && !messages[i].reasoning_content->empty();
  task.prompt = tokenizer::render_chat(encoding, {messages.begin(), messages.begin() + static_cast<long>(i)}, options);
  task.is_reasoning = tokenizer::ends_in_reasoning(encoding, options);
}

std::vector<Task> chat_tasks(const Task& named, const json::Reader& line, tokenizer::ChatEncoding encoding) {
  const std::vector<Message> messages = tokenizer::read_messages(line.get("messages"));
  tokenizer::ChatOptions options;
  if (const auto tools = line.find("tools")) options.tools = tokenizer::read_tools(*tools);
  std::vector<Task> out;
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& said = messages[i];
    if (said.role != "assistant") continue;
    Task task = named;
    if (said.tool_calls && !said.tool_calls->empty()) {
      task.check = Check::kCalls;
      task.calls = *said.tool_calls;
    } else if (i + 1 == messages.size() && line.find("answer")) {
      const auto format = line.find("response_format");
      task.check = format && format->get("type").as_string() == "json_object" ? Check::kJson : Check::kExact;
      task.answers = {said.content.value_or(""), std::string(line.get("answer").as_string())};
    } else {
      continue;
    }
    ask(task, encoding, messages, i, options);
    out.push_back(std::move(task));
  }
  return out;
}

Task choice_task(Task task, const json::Reader& line, tokenizer::ChatEncoding encoding) {
  task.check = Check::kChoice;
  for (const json::Reader& choice : line.get("choices").items()) task.choices.emplace_back(choice.as_string());
  if (task.choices.size() < 2) line.get("choices").fail_expected("two texts or more");
  const json::Reader answer = line.get("answer");
  if (answer.is_string()) {
    const auto at = std::find(task.choices.begin(), task.choices.end(), std::string(answer.as_string()));
    if (at == task.choices.end()) answer.fail_expected("one of the choices");
    task.choice = static_cast<size_t>(at - task.choices.begin());
  } else {
    task.choice = static_cast<size_t>(answer.as_int(0, static_cast<int64_t>(task.choices.size()) - 1));
  }
  if (const auto messages = line.find("messages")) {
    tokenizer::ChatOptions options;
    if (const auto tools = line.find("tools")) options.tools = tokenizer::read_tools(*tools);
    task.prompt = tokenizer::render_chat(encoding, tokenizer::read_messages(*messages), options);
  } else {
    task.prompt = {tokenizer::control(tokenizer::kBos), tokenizer::plain(line.get("prompt").as_string())};
  }
  return task;
}

}  // namespace

const char* check_name(Check check) {
  switch (check) {
    case Check::kExact:
      return "exact";
    case Check::kJson:
      return "json";
    case Check::kCalls:
      return "calls";
    case Check::kLine:
      return "line";
    case Check::kChoice:
      return "choice";
  }
  return "";
}

std::vector<Task> read_tasks(const json::Reader& line, tokenizer::ChatEncoding encoding) {
  Task task;
  task.id = text_or(line, "id", "");
  task.kind = text_or(line, "kind", line.find("suffix") ? "fim" : "tasks");
  if (line.find("choices")) return {choice_task(std::move(task), line, encoding)};
  if (line.find("messages")) return chat_tasks(task, line, encoding);
  task.check = Check::kLine;
  task.answers = {std::string(line.get("answer").as_string())};
  const std::string prompt(line.get("prompt").as_string());
  if (const auto suffix = line.find("suffix")) {
    task.prompt = tokenizer::fim_prompt(prompt, suffix->as_string());
  } else {
    task.prompt = {tokenizer::control(tokenizer::kBos), tokenizer::plain(prompt)};
  }
  return {task};
}

std::vector<Task> read_tasks(std::istream& in, const std::string& where, tokenizer::ChatEncoding encoding) {
  std::vector<Task> out;
  std::string text;
  for (int64_t number = 1; std::getline(in, text); ++number) {
    if (text.empty()) continue;
    const std::string place = fmt::format("{}: line {}", where, number);
    const json::Value value = json::parse(text, place);
    for (Task& task : read_tasks(json::Reader(value, place), encoding)) {
      if (task.id.empty()) task.id = fmt::format("line {}", number);
      out.push_back(std::move(task));
    }
  }
  return out;
}

bool is_right(const Task& task, tokenizer::ChatEncoding encoding, const std::string& text) {
  const auto any = [&](const auto& is_same) { return std::any_of(task.answers.begin(), task.answers.end(), is_same); };
  switch (task.check) {
    case Check::kExact:
      return any([&](const std::string& answer) { return trimmed(text) == trimmed(answer); });
    case Check::kJson:
      return any([&](const std::string& answer) { return is_same_json(text, answer); });
    case Check::kLine:
      return any([&](const std::string& answer) { return first_line(text) == first_line(answer); });
    case Check::kCalls: {
      const auto calls = tokenizer::parse_tool_calls(encoding, text).calls;
      return std::equal(calls.begin(), calls.end(), task.calls.begin(), task.calls.end(), is_same_call);
    }
    case Check::kChoice:
      break;
  }
  return false;
}

double word_f1(const std::string& text, const std::string& expected) {
  std::map<std::string, int64_t> left;
  int64_t expected_words = 0;
  int64_t words = 0;
  int64_t common = 0;
  std::string word;
  for (std::istringstream in(expected); in >> word; ++expected_words) ++left[word];
  for (std::istringstream in(text); in >> word; ++words) {
    const auto found = left.find(word);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++common;
  }
  if (expected_words + words == 0) return 1;
  return 2 * static_cast<double>(common) / static_cast<double>(expected_words + words);
}

}  // namespace fathom::evaluate
