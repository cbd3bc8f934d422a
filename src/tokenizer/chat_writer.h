#pragma once
// What the chat encodings share: control texts, a collector of segments, and looks at messages.

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/chat.h"

namespace fathom::tokenizer::chat {

inline constexpr std::string_view kUser = "<｜User｜>";
inline constexpr std::string_view kAssistant = "<｜Assistant｜>";
inline constexpr std::string_view kThink = "<think>";
inline constexpr std::string_view kThinkEnd = "</think>";
inline constexpr std::string_view kCallsBegin = "<｜tool▁calls▁begin｜>";
inline constexpr std::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
inline constexpr std::string_view kCallBegin = "<｜tool▁call▁begin｜>";
inline constexpr std::string_view kCallEnd = "<｜tool▁call▁end｜>";
inline constexpr std::string_view kSeparator = "<｜tool▁sep｜>";
inline constexpr std::string_view kOutputsBegin = "<｜tool▁outputs▁begin｜>";
inline constexpr std::string_view kOutputsEnd = "<｜tool▁outputs▁end｜>";
inline constexpr std::string_view kOutputBegin = "<｜tool▁output▁begin｜>";
inline constexpr std::string_view kOutputEnd = "<｜tool▁output▁end｜>";
inline constexpr std::string_view kDsml = "｜DSML｜";

class Writer {
 public:
  Writer& control(std::string_view text) {
    segments_.push_back(tokenizer::control(text));
    return *this;
  }
  Writer& plain(std::string_view text) {
    if (!text.empty()) segments_.push_back(tokenizer::plain(text));
    return *this;
  }
  std::vector<Segment> take() { return std::move(segments_); }

 private:
  std::vector<Segment> segments_;
};

// The content of a message that must have one. Throws Error(kInvalidArgument).
const std::string& content_of(const Message& message);
// All system contents, two line feeds between.
std::string joined_systems(const std::vector<Message>& messages);
std::string after_last_think(const std::string& text);
std::string after_first_think(const std::string& text);

// The list of tools for a system text, and how to write a call: `call` is the syntax with NAME and ARGUMENTS in place.
std::string tools_block(const std::vector<Tool>& tools, std::string_view call);
// system + block, apart by two line feeds when both are there.
std::string with_block(const std::string& system, const std::string& block);

void render_v2(const std::vector<Message>& messages, const ChatOptions& options, Writer& out);
// V3 and R1 as their templates do it.
void render_v3_published(ChatEncoding encoding, const std::vector<Message>& messages, const ChatOptions& options,
                         Writer& out);
// V2.5, V3 without defects, R1-0528.
void render_v3_corrected(ChatEncoding encoding, const std::vector<Message>& messages, const ChatOptions& options,
                         Writer& out);
void render_v31(ChatEncoding encoding, const std::vector<Message>& messages, const ChatOptions& options, Writer& out);
void render_v32(const std::vector<Message>& messages, const ChatOptions& options, Writer& out);

}  // namespace fathom::tokenizer::chat
