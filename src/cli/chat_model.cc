#include "cli/chat_model.h"

#include "base/progress.h"
#include "cli/interrupt.h"
#include "engine/stop_matcher.h"
#include "tokenizer/chat_writer.h"
#include "tokenizer/stream_decoder.h"

namespace fathom::cli {
namespace {

namespace control = tokenizer::chat;

// What only others say: a model that goes on there has ended its reply.
constexpr std::string_view kForeign[] = {control::kUser, tokenizer::kBos, control::kOutputsBegin,
                                         control::kOutputBegin};
constexpr std::string_view kOfCalls[] = {control::kCallsBegin, control::kCallsEnd, control::kCallBegin,
                                         control::kCallEnd, control::kSeparator};

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
  for (const std::string_view text : kOfCalls) {
    if (const auto id = tokenizer_->find_added(text)) call_controls_.emplace(*id, text);
  }
}

bool ChatModel::reply(const std::vector<tokenizer::Segment>& prompt,
                      const std::function<bool(const tokenizer::Segment&)>& on_piece) {
  const auto ids = tokenizer_->encode(prompt);
  tokenizer::StreamDecoder decoder(tokenizer_);
  engine::StopMatcher stops(stop_texts_);
  const auto give = [&](const std::string& text) { return text.empty() || on_piece(tokenizer::plain(text)); };
  // Text that was held back goes in front of a control.
  const auto flush = [&] {
    const std::string text = stops.push(decoder.finish());
    return give(stops.is_stopped() ? text : text + stops.finish());
  };
  auto progress = std::make_unique<Progress>("reading", static_cast<int64_t>(ids.size()));
  bool is_open = true;
  const auto stats = generator_.generate(
      ids, params_,
      [&](int32_t token) {
        progress.reset();
        const auto found = call_controls_.find(token);
        if (found == call_controls_.end()) {
          is_open = give(stops.push(decoder.push(token)));
        } else {
          is_open = flush() && !stops.is_stopped() && on_piece(tokenizer::control(found->second));
        }
        return is_open && !stops.is_stopped() && !InterruptGuard::is_interrupted();
      },
      [&](int64_t done) {
        if (InterruptGuard::is_interrupted()) throw Interrupted();
        if (progress) progress->update(done);
      });
  progress.reset();
  if (is_open) flush();
  ++params_.sampling.seed;  // another answer to the same words is another one
  stats_ = stats_text(stats);
  return !InterruptGuard::is_interrupted();
}

}  // namespace fathom::cli
