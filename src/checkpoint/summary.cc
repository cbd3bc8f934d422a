#include "checkpoint/summary.h"

#include <string_view>

#include "model/active_bytes.h"

namespace fathom::checkpoint {
namespace {

// Gives every matrix the type that the config promises, without values.
class PromisedTypes : public model::ParameterVisitor {
 public:
  explicit PromisedTypes(const model::ModelConfig& config)
      : plain_(config.torch_dtype == "float32"   ? DType::kF32
               : config.torch_dtype == "float16" ? DType::kF16
                                                 : DType::kBF16),
        has_fp8_blocks_(config.has_fp8_blocks) {}

  void matrix(const std::string& name, Weight& weight, int64_t rows, int64_t cols) override {
    // Published FP8 checkpoints keep embedding, head, gate and the MTP projection in BF16.
    const bool is_fp8 = has_fp8_blocks_ && name.ends_with("_proj.weight") && !name.ends_with("eh_proj.weight");
    weight.view = {.dtype = is_fp8 ? DType::kF8E4M3 : plain_, .rows = rows, .cols = cols};
    if (is_fp8) weight.view.scale_inv = &kScale;  // counted, never read
    count(weight.view.dtype, rows * cols);
    if (is_fp8) count(DType::kF32, ceil_div(rows, kScaleBlock) * ceil_div(cols, kScaleBlock));
  }
  void vector(const std::string& name, Tensor&, int64_t n) override {
    count(name.ends_with("bias") ? DType::kF32 : plain_, n);
  }

  std::map<std::string, int64_t> bytes_of;

 private:
  static constexpr float kScale = 1;

  void count(DType dtype, int64_t values) {
    bytes_of[std::string(dtype_name(dtype))] += values * static_cast<int64_t>(dtype_bytes(dtype));
  }

  DType plain_;
  bool has_fp8_blocks_;
};

class ParameterCounter : public model::ParameterVisitor {
 public:
  explicit ParameterCounter(const model::ModelConfig& config) : config_(config) {}

  void matrix(const std::string& name, Weight&, int64_t rows, int64_t cols) override { count(name, rows * cols); }
  void vector(const std::string& name, Tensor&, int64_t n) override { count(name, n); }

  // Into `out`, whose other fields stay.
  void finish(Summary& out) const {
    out.parameters = embedding_ + dense_ + expert_;
    out.embedding_parameters = embedding_;
    out.mtp_parameters = mtp_;
    // All experts are of one size, so the chosen ones' share is a whole number.
    const int64_t per_choice = config_.n_routed_experts == 0 ? 0 : expert_ / config_.n_routed_experts;
    out.active_parameters = dense_ + per_choice * config_.num_experts_per_tok;
  }

 private:
  void count(const std::string& name, int64_t values) {
    if (model::is_mtp_parameter(config_, name)) {
      mtp_ += values;
    } else if (name == "model.embed_tokens.weight" || name == "lm_head.weight") {
      embedding_ += values;
    } else if (name.find(".mlp.experts.") != std::string::npos) {
      expert_ += values;
    } else {
      dense_ += values;
    }
  }

  const model::ModelConfig& config_;
  int64_t embedding_ = 0, dense_ = 0, expert_ = 0, mtp_ = 0;
};

// What follows from shapes and types, whoever gave them.
void fill(model::Transformer& transformer, Summary& out) {
  const model::ModelConfig& config = transformer.config();
  ParameterCounter counter(config);
  transformer.visit(counter);
  counter.finish(out);
  out.bytes_per_token = model::token_cost(transformer, 0, dtype_bytes(DType::kBF16)).weight_bytes;
  constexpr auto kValueBytes = static_cast<int64_t>(dtype_bytes(DType::kBF16));
  out.cache_bytes_per_token = config.num_hidden_layers * (config.latent_dim() * kValueBytes +
                                                          config.index_head_dim * static_cast<int64_t>(sizeof(float)));
  out.plain_cache_bytes_per_token =
      config.num_hidden_layers * config.num_attention_heads * (config.qk_head_dim() + config.v_head_dim) * kValueBytes;
}

}  // namespace

Summary summarize(const model::ModelConfig& config) {
  Summary out;
  model::Transformer transformer(config);
  PromisedTypes types(config);
  transformer.visit(types);
  out.bytes_of = types.bytes_of;
  fill(transformer, out);
  return out;
}

Summary summarize(const std::shared_ptr<const Checkpoint>& checkpoint) {
  Summary out;
  for (const auto& shard : checkpoint->shards()) {
    for (const TensorEntry& entry : shard->tensors()) {
      out.bytes_of[std::string(dtype_name(entry.dtype))] += static_cast<int64_t>(entry.bytes.size());
    }
  }
  model::Transformer transformer(checkpoint->config());
  WeightBinder binder(checkpoint);
  transformer.visit(binder);
  fill(transformer, out);
  return out;
}

}  // namespace fathom::checkpoint
