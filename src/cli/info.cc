// fathom info: what a checkpoint is.

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <numeric>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/summary.h"
#include "cli/command.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_path.h"

namespace fathom::cli {
namespace {

struct InfoFlags {
  std::string model;
  std::string config;
  bool is_json = false;
};

struct Info {
  model::ModelConfig config;
  checkpoint::Summary summary;
  size_t shards = 0;            // 0: of a config alone
  int64_t tokenizer_vocab = 0;  // 0: there is no tokenizer
};

Info gather(const InfoFlags& flags) {
  Info info;
  if (flags.model.empty()) {
    const json::Value config = json::parse_file(flags.config);
    info.config = model::read_config(json::Reader(config, flags.config));
    info.summary = checkpoint::summarize(info.config);
    return info;
  }
  const auto checkpoint = checkpoint::Checkpoint::open(flags.model);
  info.config = checkpoint->config();
  info.summary = checkpoint::summarize(checkpoint);
  info.shards = checkpoint->shards().size();
  std::error_code code;
  if (std::filesystem::exists(tokenizer::tokenizer_path(flags.model), code)) {
    info.tokenizer_vocab = tokenizer::Tokenizer::load(flags.model)->vocab_size();
  }
  return info;
}

int64_t total_bytes(const checkpoint::Summary& summary) {
  return std::accumulate(summary.bytes_of.begin(), summary.bytes_of.end(), int64_t{0},
                         [](int64_t sum, const auto& entry) { return sum + entry.second; });
}

// "671.03 billion", "1.2 million", "834"
std::string count_text(int64_t count) {
  const auto number = static_cast<double>(count);
  if (number >= 1e9) return fmt::format("{:.2f} billion", number / 1e9);
  if (number >= 1e6) return fmt::format("{:.2f} million", number / 1e6);
  return fmt::format("{}", count);
}

std::string bytes_text(double bytes) {
  if (bytes >= 1e9) return fmt::format("{:.2f} GB", bytes / 1e9);
  if (bytes >= 1e6) return fmt::format("{:.2f} MB", bytes / 1e6);
  if (bytes >= 1e3) return fmt::format("{:.2f} kB", bytes / 1e3);
  return fmt::format("{:.0f} B", bytes);
}

std::string_view method_name(model::TopkMethod method) {
  switch (method) {
    case model::TopkMethod::kGreedy:
      return "greedy";
    case model::TopkMethod::kGroupLimitedGreedy:
      return "group_limited_greedy";
    case model::TopkMethod::kNoauxTc:
      return "noaux_tc";
  }
  return "?";
}

std::string_view scoring_name(model::ScoringFunc scoring) {
  return scoring == model::ScoringFunc::kSigmoid ? "sigmoid" : "softmax";
}

int64_t moe_layers(const model::ModelConfig& c) {
  int64_t count = 0;
  for (int64_t layer = 0; layer < c.num_hidden_layers; ++layer) count += c.is_moe_layer(layer) ? 1 : 0;
  return count;
}

template <typename... Args>
void line(std::string_view title, fmt::format_string<Args...> format, Args&&... args) {
  fmt::print("{:<14}{}\n", title, fmt::format(format, std::forward<Args>(args)...));
}

void print_model(const model::ModelConfig& c) {
  line("architecture", "{}", c.architecture.empty() ? c.model_type : c.architecture + ", " + c.model_type);
  line("layers", "{} of width {}: {} dense ({} wide), {} MoE", c.num_hidden_layers, c.hidden_size,
       c.num_hidden_layers - moe_layers(c), c.intermediate_size, moe_layers(c));
  line("attention", "MLA, {} heads of {} + {} rotary, values of {}; query rank {}, latent rank {}",
       c.num_attention_heads, c.qk_nope_head_dim, c.qk_rope_head_dim, c.v_head_dim,
       c.q_lora_rank ? std::to_string(*c.q_lora_rank) : "none", c.kv_lora_rank);
  if (c.has_indexer()) {
    line("", "sparse: an indexer of {} heads of {} chooses {} positions", c.index_n_heads, c.index_head_dim,
         c.index_topk);
  }
  line("positions", "{}, rope theta {:g}{}", c.max_position_embeddings, c.rope_theta,
       c.rope_scaling ? fmt::format(", YaRN factor {:g} over {}", c.rope_scaling->factor,
                                    c.rope_scaling->original_max_position_embeddings)
                      : "");
  if (moe_layers(c) > 0) {
    line("experts", "{} routed of {} ({} wide) + {} shared; {} scores, {}, {} of {} groups, weights{} times {:g}",
         c.num_experts_per_tok, c.n_routed_experts, c.moe_intermediate_size, c.n_shared_experts,
         scoring_name(c.scoring_func), method_name(c.topk_method), c.topk_group, c.n_group,
         c.norm_topk_prob ? " normalised," : "", c.routed_scaling_factor);
  }
  line("MTP", "{}",
       c.num_nextn_predict_layers == 0
           ? "none"
           : fmt::format("{} module{}", c.num_nextn_predict_layers, c.num_nextn_predict_layers == 1 ? "" : "s"));
}

void print_text(const Info& info) {
  const auto& c = info.config;
  const auto& s = info.summary;
  print_model(c);
  line("vocabulary", "{} in the embedding, {}", c.vocab_size,
       info.tokenizer_vocab == 0 ? "no tokenizer" : fmt::format("{} in the tokenizer", info.tokenizer_vocab));
  line("parameters", "{}, {} without embeddings{}", count_text(s.parameters),
       count_text(s.parameters - s.embedding_parameters),
       s.mtp_parameters == 0 ? "" : fmt::format("; MTP modules {} more", count_text(s.mtp_parameters)));
  line("  active", "{} per token, {} without embeddings", count_text(s.active_parameters + s.embedding_parameters),
       count_text(s.active_parameters));
  std::string types;
  for (const auto& [type, bytes] : s.bytes_of) {
    types += fmt::format("{}{} {}", types.empty() ? "" : ", ", type, bytes_text(static_cast<double>(bytes)));
  }
  line("stored", "{} {}: {}", bytes_text(static_cast<double>(total_bytes(s))),
       info.shards == 0 ? "when written" : fmt::format("in {} shard{}", info.shards, info.shards == 1 ? "" : "s"),
       types);
  line("read", "{} of weights per decoded token", bytes_text(s.bytes_per_token));
  line("cache", "{} per token in BF16; multi-head attention would keep {}, {:.1f} times as much",
       bytes_text(static_cast<double>(s.cache_bytes_per_token)),
       bytes_text(static_cast<double>(s.plain_cache_bytes_per_token)),
       static_cast<double>(s.plain_cache_bytes_per_token) / static_cast<double>(s.cache_bytes_per_token));
}

json::Value rope_json(const model::ModelConfig& c) {
  json::Object out{{"rope_theta", c.rope_theta}, {"max_position_embeddings", c.max_position_embeddings}};
  if (c.rope_scaling) {
    out["yarn"] = json::Object{{"factor", c.rope_scaling->factor},
                               {"original_max_position_embeddings", c.rope_scaling->original_max_position_embeddings}};
  }
  return out;
}

json::Object model_json(const model::ModelConfig& c) {
  json::Object out{{"architecture", c.architecture},
                   {"model_type", c.model_type},
                   {"num_hidden_layers", c.num_hidden_layers},
                   {"hidden_size", c.hidden_size},
                   {"vocab_size", c.vocab_size},
                   {"positions", rope_json(c)},
                   {"num_nextn_predict_layers", c.num_nextn_predict_layers}};
  out["attention"] = json::Object{{"num_attention_heads", c.num_attention_heads},
                                  {"q_lora_rank", c.q_lora_rank ? json::Value(*c.q_lora_rank) : json::Value()},
                                  {"kv_lora_rank", c.kv_lora_rank},
                                  {"qk_nope_head_dim", c.qk_nope_head_dim},
                                  {"qk_rope_head_dim", c.qk_rope_head_dim},
                                  {"v_head_dim", c.v_head_dim}};
  if (c.has_indexer()) {
    out["indexer"] = json::Object{
        {"index_n_heads", c.index_n_heads}, {"index_head_dim", c.index_head_dim}, {"index_topk", c.index_topk}};
  }
  out["moe_layers"] = moe_layers(c);
  if (moe_layers(c) > 0) {
    out["experts"] = json::Object{{"n_routed_experts", c.n_routed_experts},
                                  {"num_experts_per_tok", c.num_experts_per_tok},
                                  {"n_shared_experts", c.n_shared_experts},
                                  {"moe_intermediate_size", c.moe_intermediate_size},
                                  {"scoring_func", scoring_name(c.scoring_func)},
                                  {"topk_method", method_name(c.topk_method)},
                                  {"n_group", c.n_group},
                                  {"topk_group", c.topk_group},
                                  {"norm_topk_prob", c.norm_topk_prob},
                                  {"routed_scaling_factor", c.routed_scaling_factor}};
  }
  return out;
}

void print_json(const Info& info) {
  const auto& s = info.summary;
  json::Object out = model_json(info.config);
  out["parameters"] = json::Object{{"total", s.parameters},
                                   {"total_without_embeddings", s.parameters - s.embedding_parameters},
                                   {"active", s.active_parameters + s.embedding_parameters},
                                   {"active_without_embeddings", s.active_parameters},
                                   {"mtp", s.mtp_parameters}};
  json::Object types;
  for (const auto& [type, bytes] : s.bytes_of) types[type] = bytes;
  out["stored_bytes"] = json::Object{{"total", total_bytes(s)}, {"by_type", types}};
  out["shards"] = info.shards;
  out["read_bytes_per_token"] = static_cast<int64_t>(s.bytes_per_token);
  out["cache_bytes_per_token"] =
      json::Object{{"latent", s.cache_bytes_per_token}, {"multi_head", s.plain_cache_bytes_per_token}};
  out["tokenizer_vocab_size"] = info.tokenizer_vocab == 0 ? json::Value() : json::Value(info.tokenizer_vocab);
  fmt::print("{}\n", json::dump(out));
}

void run(const InfoFlags& flags) {
  if (flags.model.empty() == flags.config.empty()) {
    fail(ErrorCode::kInvalidArgument, "info", "expected one of --model and --config");
  }
  const Info info = gather(flags);
  if (flags.is_json) {
    print_json(info);
  } else {
    print_text(info);
  }
}

}  // namespace

void add_info(CLI::App& app) {
  auto flags = std::make_shared<InfoFlags>();
  CLI::App* command = app.add_subcommand("info", "say what a checkpoint is: shape, parameters, bytes, cache");
  command->add_option("-m,--model", flags->model, "checkpoint folder: config.json and *.safetensors")->type_name("DIR");
  command->add_option("--config", flags->config, "a config.json alone, before its weights are there")
      ->type_name("FILE");
  command->add_flag("--json", flags->is_json, "one JSON object instead of text; bytes and counts are exact");
  command->footer(
      "Examples:\n"
      "  fathom info --model models/tiny\n"
      "  fathom info --config recipes/shapes/v2-lite.json --json");
  command->callback([flags] { run(*flags); });
}

}  // namespace fathom::cli
