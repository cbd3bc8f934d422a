#include "tokenizer/chat.h"

#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/mapped_file.h"
#include "tokenizer/chat_writer.h"

namespace fathom::tokenizer {
namespace {

using chat::kThinkEnd;
using chat::kUser;

struct NamedEncoding {
  std::string_view name;
  ChatEncoding encoding;
};
constexpr std::array<NamedEncoding, 11> kNames = {{{"v2", ChatEncoding::kV2},
                                                   {"v2.5", ChatEncoding::kV25},
                                                   {"v3", ChatEncoding::kV3},
                                                   {"v3-exact", ChatEncoding::kV3},
                                                   {"v3-corrected", ChatEncoding::kV3Corrected},
                                                   {"r1", ChatEncoding::kR1},
                                                   {"r1-think", ChatEncoding::kR1Think},
                                                   {"r1-0528", ChatEncoding::kR10528},
                                                   {"v3.1", ChatEncoding::kV31},
                                                   {"v3.2-exp", ChatEncoding::kV32Exp},
                                                   {"v3.2", ChatEncoding::kV32}}};

std::optional<std::string> published_template(const std::string& folder) {
  const std::string jinja = folder + "/chat_template.jinja";
  if (std::filesystem::exists(jinja)) return read_text_file(jinja);
  const std::string path = folder + "/tokenizer_config.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  const json::Value config = json::parse_file(path);
  const auto found = json::Reader(config, path).find("chat_template");
  if (!found || !found->is_string()) return std::nullopt;
  return std::string(found->as_string());
}

std::optional<ChatEncoding> encoding_of_template(const std::string& text) {
  const auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  if (has("is_only_sys")) return ChatEncoding::kV32Exp;
  if (has("is_last_user") && has("</think>")) return ChatEncoding::kV31;
  if (has("+ '<｜Assistant｜>'") && has("</think>")) return ChatEncoding::kR10528;
  if (has("split('</think>')[-1]")) return has("<think>\\n") ? ChatEncoding::kR1Think : ChatEncoding::kR1;
  if (has("is_output_first") && has("tool▁outputs▁begin")) return ChatEncoding::kV3;
  if (has("<｜User｜>")) return ChatEncoding::kV25;
  if (has("'User: '")) return ChatEncoding::kV2;
  return std::nullopt;
}

}  // namespace

std::vector<Segment> render_chat(ChatEncoding encoding, const std::vector<Message>& messages,
                                 const ChatOptions& options) {
  chat::Writer out;
  switch (encoding) {
    case ChatEncoding::kV2:
      chat::render_v2(messages, options, out);
      break;
    case ChatEncoding::kV3:
    case ChatEncoding::kR1:
    case ChatEncoding::kR1Think:
      chat::render_v3_published(encoding, messages, options, out);
      break;
    case ChatEncoding::kV25:
    case ChatEncoding::kV3Corrected:
    case ChatEncoding::kR10528:
      chat::render_v3_corrected(encoding, messages, options, out);
      break;
    case ChatEncoding::kV31:
    case ChatEncoding::kV32Exp:
      chat::render_v31(encoding, messages, options, out);
      break;
    case ChatEncoding::kV32:
      chat::render_v32(messages, options, out);
      break;
  }
  return out.take();
}

ChatEncoding chat_encoding_from_name(std::string_view name) {
  std::string known;
  for (const NamedEncoding& entry : kNames) {
    if (entry.name == name) return entry.encoding;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw Error(ErrorCode::kInvalidArgument, fmt::format("there is no chat template '{}'", name), "--chat-template",
              "one of " + known);
}

std::string_view chat_encoding_name(ChatEncoding encoding) {
  for (const NamedEncoding& entry : kNames) {
    if (entry.encoding == encoding) return entry.name;
  }
  return "?";
}

bool ends_in_reasoning(ChatEncoding encoding, const ChatOptions& options) {
  switch (encoding) {
    case ChatEncoding::kR1Think:
      return true;
    case ChatEncoding::kV31:
    case ChatEncoding::kV32Exp:
    case ChatEncoding::kV32:
      return options.thinking;
    default:
      return false;
  }
}

ChatEncoding recognise_chat_encoding(const std::string& folder, const Tokenizer& tokenizer) {
  if (const auto text = published_template(folder)) {
    if (const auto encoding = encoding_of_template(*text)) return *encoding;
    throw Error(ErrorCode::kUnsupported, "its chat template is none that is known", folder,
                "name the nearest with --chat-template");
  }
  // V3.2 ships an encoder instead of a template.
  if (std::filesystem::exists(folder + "/encoding") || tokenizer.find_added(chat::kDsml)) return ChatEncoding::kV32;
  if (tokenizer.find_added(kUser) && tokenizer.find_added(kThinkEnd)) return ChatEncoding::kV31;
  if (tokenizer.find_added(kUser)) return ChatEncoding::kV3;
  throw Error(ErrorCode::kUnsupported, "has no chat template and no token <｜User｜>", folder,
              "is it a base model? name an encoding with --chat-template, or use generate");
}

}  // namespace fathom::tokenizer
