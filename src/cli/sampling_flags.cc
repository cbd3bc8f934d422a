#include "cli/sampling_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/error.h"

namespace fathom::cli {
namespace {

// Without --context a sequence may be this long; the cache is reserved, not touched, so this bounds address space only.
constexpr int64_t kDefaultContext = 16384;

}  // namespace

void SamplingFlags::add_to(CLI::App& command) {
  auto& sampling = params.sampling;
  command.add_option("--temperature", sampling.temperature, "0: the most likely token always; up to 2")
      ->capture_default_str();
  command.add_option("--top-p", sampling.top_p, "keep the likeliest tokens that hold this probability")
      ->capture_default_str();
  command.add_option("--top-k", sampling.top_k, "keep so many likeliest tokens; 0: all")->capture_default_str();
  command.add_option("--min-p", sampling.min_p, "keep tokens at least this fraction as likely as the likeliest")
      ->capture_default_str();
  command.add_option("--frequency-penalty", sampling.frequency_penalty, "per earlier use of a token, -2 to 2")
      ->capture_default_str();
  command.add_option("--presence-penalty", sampling.presence_penalty, "for tokens used before, -2 to 2")
      ->capture_default_str();
  command.add_option("--seed", seed, "same seed, same text, on any number of threads; without: a fresh one");
  command.add_option("-n,--max-tokens", params.max_tokens, "length of the answer")->capture_default_str();
  command.add_option("--stop", stop, "text that ends the answer; may be given several times");
  command.add_option("--context", context, "most tokens of prompt and answer together; 0: the model's, at most 16384")
      ->capture_default_str();
  command.add_option("--chunk", params.prefill_chunk, "prompt tokens per forward pass")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_flag("--no-mtp", is_without_mtp, "decode without speculation by the MTP modules");
  command.add_flag("--stats", show_stats, "print speed, acceptance and seed afterwards, on standard error");
}

engine::GenerateParams SamplingFlags::finish() {
  params.use_mtp = !is_without_mtp;
  if (!seed) seed = std::random_device{}();
  params.sampling.seed = *seed;
  params.sampling.validate();
  return params;
}

int64_t SamplingFlags::context_for(const model::ModelConfig& config) const {
  if (context == 0) return std::min(config.max_position_embeddings, kDefaultContext);
  if (context < 2 || context > config.max_position_embeddings) {
    fail(ErrorCode::kInvalidArgument, "--context", "is {}, the model takes 2 to {}", context,
         config.max_position_embeddings);
  }
  return context;
}

std::string stats_text(const engine::GenerateStats& stats) {
  const auto rate = [](int64_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  };
  std::string text = fmt::format(
      "prompt: {} tokens ({} from the cache) in {:.2f} s, {:.1f} tokens/s\n"
      "answer: {} tokens in {:.2f} s, {:.1f} tokens/s",
      stats.prompt_tokens, stats.cached_tokens, stats.prefill_seconds,
      rate(stats.prompt_tokens - stats.cached_tokens, stats.prefill_seconds), stats.generated_tokens,
      stats.decode_seconds, rate(stats.generated_tokens, stats.decode_seconds));
  if (stats.drafted_tokens > 0) {
    text += fmt::format("\nMTP: {} of {} drafts accepted ({:.1f} %), {:.2f} tokens per step", stats.accepted_tokens,
                        stats.drafted_tokens,
                        100.0 * static_cast<double>(stats.accepted_tokens) / static_cast<double>(stats.drafted_tokens),
                        static_cast<double>(stats.steps + stats.accepted_tokens) / static_cast<double>(stats.steps));
  }
  return text;
}

}  // namespace fathom::cli
