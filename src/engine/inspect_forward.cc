#include "engine/inspect_forward.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "engine/sequence.h"

namespace fathom::engine {
namespace {

constexpr int64_t kReferenceMtpModule = 0;

// Collects what the model shows, chunk after chunk, as rows of one tensor. Rows of later chunks may be wider (a later
// token sees more positions): narrower ones are filled up.
class Collector : public ops::Probe {
 public:
  void record(const std::string& name, const Tensor& value) override {
    // A copy of its own, because the activation's storage is reused.
    Tensor copy = Tensor::zeros(value.shape(), value.dtype());
    std::memcpy(copy.data<int32_t>(), value.data<int32_t>(), value.bytes());
    chunks_[name].push_back(copy);
  }

  void move_into(std::map<std::string, Tensor>& out, const std::string& prefix) {
    for (const auto& [name, chunks] : chunks_) out[prefix + name] = join(chunks);
    chunks_.clear();
  }

 private:
  static Tensor join(const std::vector<Tensor>& chunks) {
    int64_t rows = 0;
    int64_t width = 0;
    for (const Tensor& chunk : chunks) {
      rows += chunk.dim(0);
      width = std::max(width, chunk.dim(1));
    }
    Tensor joined = Tensor::zeros({rows, width}, chunks[0].dtype());
    // -1 is the filler of chosen positions, 0 of everything else.
    if (joined.dtype() == DType::kI32) std::fill_n(joined.i32(), joined.count(), -1);
    int64_t row = 0;
    for (const Tensor& chunk : chunks) {
      for (int64_t r = 0; r < chunk.dim(0); ++r, ++row) {
        std::memcpy(joined.data<int32_t>() + row * width, chunk.data<int32_t>() + r * chunk.dim(1),
                    static_cast<size_t>(chunk.dim(1)) * sizeof(int32_t));
      }
    }
    return joined;
  }

  std::map<std::string, std::vector<Tensor>> chunks_;
};

class Inspection {
 public:
  Inspection(const model::Transformer& model, const ops::Context& ctx, std::span<const int32_t> tokens,
             const InspectParams& params)
      : model_(model),
        ctx_(ctx),
        params_(params),
        tokens_(tokens.begin(), tokens.end()),
        pool_(ceil_div(size() + std::max<int64_t>(1, params.greedy_tokens), kernels::kPageTokens)),
        cache_(model.cache_shape(), ctx.compute, pool_.size()),
        sequence_(pool_) {
    ctx_.probe = &collector_;
  }

  std::map<std::string, Tensor> run() {
    out_["tokens"] = Tensor::of({size()}, tokens_);
    prompt();
    collector_.move_into(out_, "");
    rename_hidden();
    ctx_.probe = nullptr;
    continue_greedily();
    if (!model_.mtp().empty()) multi_token_prediction();
    return std::move(out_);
  }

 private:
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  int64_t chunk() const { return params_.chunk > 0 ? params_.chunk : size(); }

  void prompt() {
    for (int64_t first = 0; first < size(); first += chunk()) {
      const Tensor hidden = forward(std::span(tokens_).subspan(static_cast<size_t>(first),
                                                               static_cast<size_t>(std::min(chunk(), size() - first))));
      collector_.record("final_norm", hidden);
      collector_.record("logits", model_.logits(ctx_, hidden));
    }
  }

  Tensor forward(std::span<const int32_t> tokens) {
    ops::TokenBatch batch;
    batch.tokens.assign(tokens.begin(), tokens.end());
    batch.spans = {sequence_.extend(0, batch.size())};
    Tensor hidden = model_.forward(ctx_, batch, cache_);
    sequence_.confirm(batch.size());
    return hidden;
  }

  // The probe says "layers.N.hidden", the goldens "hidden.N".
  void rename_hidden() {
    for (int64_t layer = 0; layer <= model_.config().num_hidden_layers; ++layer) {
      auto node = out_.extract("layers." + std::to_string(layer) + ".hidden");
      node.key() = "hidden." + std::to_string(layer);
      out_.insert(std::move(node));
    }
  }

  void continue_greedily() {
    const int64_t count = params_.greedy_tokens;
    const int64_t vocabulary = model_.config().vocab_size;
    if (count <= 0) return;
    Tensor logits = Tensor::zeros({count, vocabulary});
    std::vector<int32_t> chosen;
    Tensor last = out_["logits"].rows(size() - 1, size());
    for (int64_t i = 0; i < count; ++i) {
      std::memcpy(logits.row(i), last.f32(), last.bytes());
      chosen.push_back(static_cast<int32_t>(std::max_element(last.f32(), last.f32() + vocabulary) - last.f32()));
      if (i + 1 < count) last = model_.logits(ctx_, forward(std::span(chosen).last(1)));
    }
    out_["greedy"] = Tensor::of({count}, chosen);
    out_["greedy_logits"] = logits;
    sequence_.truncate(size());
  }

  void multi_token_prediction() {
    // Position i meets token i + 1; behind the last stands the first greedy one.
    std::vector<int32_t> later(tokens_.begin() + 1, tokens_.end());
    const Tensor last = out_["logits"].rows(size() - 1, size());
    later.push_back(static_cast<int32_t>(std::max_element(last.f32(), last.f32() + last.count()) - last.f32()));
    out_["mtp.tokens"] = Tensor::of({size()}, later);

    const std::string layer = "layers." + std::to_string(model_.config().num_hidden_layers) + ".";
    ctx_.probe = &collector_;
    out_["mtp.logits"] = run_mtp(later, out_["final_norm"], false);
    std::map<std::string, Tensor> shown;
    collector_.move_into(shown, "");
    ctx_.probe = nullptr;
    for (auto& [name, value] : shown) {
      out_["mtp." + (name.starts_with(layer) ? name.substr(layer.size()) : name)] = value;
    }
    if (!params_.is_alternative_mtp) return;
    const Tensor prenorm = out_["hidden." + std::to_string(model_.config().num_hidden_layers)];
    out_["mtp.logits_prenorm_hidden"] = run_mtp(later, prenorm, false);
    out_["mtp.logits_position0_zeroed"] = run_mtp(later, out_["final_norm"], true);
  }

  Tensor run_mtp(const std::vector<int32_t>& later, const Tensor& hidden_TD, bool is_position0_zeroed) {
    const model::MtpModule& module = model_.mtp()[kReferenceMtpModule];
    Tensor logits = Tensor::zeros({size(), model_.config().vocab_size});
    for (int64_t first = 0; first < size(); first += chunk()) {
      const int64_t end = std::min(size(), first + chunk());
      ops::TokenBatch batch;
      batch.tokens.assign(later.begin() + first, later.begin() + end);
      batch.spans = {sequence_.view(first, end - first)};
      const Tensor embeddings = module.embed(ctx_, batch.tokens);
      if (is_position0_zeroed && first == 0) std::fill_n(embeddings.row(0), embeddings.dim(1), 0.0F);
      const Tensor hidden = module.forward(ctx_, embeddings, hidden_TD.rows(first, end), batch, cache_);
      if (ctx_.probe != nullptr) collector_.record("hidden", hidden);
      const Tensor chunk_logits = module.logits(ctx_, hidden);
      std::memcpy(logits.row(first), chunk_logits.f32(), chunk_logits.bytes());
    }
    return logits;
  }

  const model::Transformer& model_;
  ops::Context ctx_;
  InspectParams params_;
  std::vector<int32_t> tokens_;
  PagePool pool_;
  ops::LatentCache cache_;
  Sequence sequence_;
  Collector collector_;
  std::map<std::string, Tensor> out_;
};

}  // namespace

std::map<std::string, Tensor> inspect_forward(const model::Transformer& model, const ops::Context& ctx,
                                              std::span<const int32_t> tokens, const InspectParams& params) {
  const model::ModelConfig& config = model.config();
  if (tokens.empty()) fail(ErrorCode::kInvalidArgument, "tokens", "is empty, expected at least one token");
  const auto total = static_cast<int64_t>(tokens.size()) + params.greedy_tokens;
  if (total > config.max_position_embeddings) {
    fail(ErrorCode::kInvalidArgument, "tokens", "{} with the continuation, the model's context is {}", total,
         config.max_position_embeddings);
  }
  for (const int32_t token : tokens) {
    if (token >= 0 && token < config.vocab_size) continue;
    fail(ErrorCode::kInvalidArgument, "tokens", "{} is outside of the vocabulary of {}", token, config.vocab_size);
  }
  return Inspection(model, ctx, tokens, params).run();
}

}  // namespace fathom::engine
