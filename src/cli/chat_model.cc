#include "cli/chat_model.h"

#include "assistant/reply_decoder.h"
#include "base/progress.h"
#include "cli/interrupt.h"
#include "engine/stop_matcher.h"
#include "tokenizer/chat_writer.h"

namespace fathom::cli {
namespace {

namespace control = tokenizer::chat;

// What only others say: a model that goes on there has ended its reply.
constexpr std::string_view kForeign[] = {control::kUser, tokenizer::kBos, control::kOutputsBegin,
                                         control::kOutputBegin};

}  // namespace

ChatModel::ChatModel(const ModelFlags& model, SamplingFlags& sampling, const ChatFlags& chat)
    : stop_texts_(sampling.stop),
      params_(sampling.finish()),
      model_(model.load()),
      tokenizer_(tokenizer::Tokenizer::load(model.model)),
      encoding_(chat.encoding_for(model.model, *tokenizer_)),
      generator_(model_->transformer(), model_->context(), sampling.context_for(model_->config())) {
  params_.sampling.vocab_size = static_cast<int64_t>(tokenizer_->vocab_size());
  for (const int64_t id : model_->config().eos_token_ids) params_.stop_tokens.push_back(static_cast<int32_t>(id));
  for (const std::string_view text : kForeign) {
    if (const auto id = tokenizer_->find_added(text)) params_.stop_tokens.push_back(*id);
  }
}

bool ChatModel::reply(const std::vector<tokenizer::Segment>& prompt,
                      const std::function<bool(const tokenizer::Segment&)>& on_piece) {
  const auto ids = tokenizer_->encode(prompt);
  assistant::ReplyDecoder decoder(tokenizer_);
  engine::StopMatcher stops(stop_texts_);
  bool is_wanted = true;
  const auto give = [&](const tokenizer::Segment& piece) {
    if (is_wanted && !piece.text.empty()) is_wanted = on_piece(piece);
  };
  const auto take = [&](const std::vector<tokenizer::Segment>& pieces) {
    for (const tokenizer::Segment& piece : pieces) {
      // Text that could have become a stop string goes in front of a control.
      give(tokenizer::plain(piece.is_control ? stops.finish() : stops.push(piece.text)));
      if (piece.is_control) give(piece);
      if (stops.is_stopped()) return;
    }
  };
  auto progress = std::make_unique<Progress>("reading", static_cast<int64_t>(ids.size()));
  const auto stats = generator_.generate(
      ids, params_,
      [&](int32_t token) {
        progress.reset();
        take(decoder.push(token));
        return is_wanted && !stops.is_stopped() && !InterruptGuard::is_interrupted();
      },
      [&](int64_t done) {
        if (InterruptGuard::is_interrupted()) throw Interrupted();
        if (progress) progress->update(done);
      });
  progress.reset();
  if (!stops.is_stopped()) take(decoder.finish());
  if (!stops.is_stopped()) give(tokenizer::plain(stops.finish()));
  ++params_.sampling.seed;  // another answer to the same words is another one
  stats_ = stats_text(stats);
  return !InterruptGuard::is_interrupted();
}

}  // namespace fathom::cli
