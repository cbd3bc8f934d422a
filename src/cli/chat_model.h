#pragma once
// The model of a chat: writes replies to prompts.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "assistant/conversation.h"
#include "cli/chat_flags.h"
#include "cli/model_flags.h"
#include "cli/sampling_flags.h"
#include "engine/generator.h"
#include "tokenizer/tokenizer.h"

namespace fathom::cli {

class ChatModel : public assistant::Replier {
 public:
  // Opens the model. Throws Error.
  ChatModel(const ModelFlags& model, SamplingFlags& sampling, const ChatFlags& chat);

  tokenizer::ChatEncoding encoding() const { return encoding_; }

  // Ends early, and returns false, when InterruptGuard says so; throws Interrupted when that is before the first token.
  bool reply(const std::vector<tokenizer::Segment>& prompt,
             const std::function<bool(const tokenizer::Segment&)>& on_piece) override;

  // Speed of the last reply; empty before.
  const std::string& stats() const { return stats_; }

 private:
  std::vector<std::string> stop_texts_;
  engine::GenerateParams params_;
  std::unique_ptr<engine::LoadedModel> model_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  tokenizer::ChatEncoding encoding_;
  engine::Generator generator_;
  std::string stats_;
};

}  // namespace fathom::cli
