#include "engine/benchmark.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "engine/machine_probe.h"
#include "engine/sequence.h"
#include "model/active_bytes.h"

namespace fathom::engine {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Sequences of random tokens: every position chooses experts of its own, as text does.
class Bench {
 public:
  Bench(LoadedModel& model, const BenchmarkParams& params)
      : model_(model),
        params_(params),
        random_(1, 0),
        pool_(params.batch * (ceil_div(params.depth + std::max(params.prompt_tokens, params.decode_tokens), 64) + 1)),
        cache_(model.transformer().cache_shape(), model.context().compute, pool_.size()) {}

  // Seconds for the timed prompt, behind `depth` positions.
  double prefill() {
    Sequence sequence(pool_);
    feed(sequence, params_.depth);
    const auto start = std::chrono::steady_clock::now();
    feed(sequence, params_.prompt_tokens);
    return seconds_since(start);
  }

  // Seconds for each timed step of all sequences together.
  double decode() {
    std::vector<std::unique_ptr<Sequence>> sequences;
    for (int64_t i = 0; i < params_.batch; ++i) {
      sequences.push_back(std::make_unique<Sequence>(pool_));
      feed(*sequences.back(), params_.depth);
    }
    step(sequences);  // the first touches what the rest finds warm
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 1; i < params_.decode_tokens; ++i) step(sequences);
    return seconds_since(start) / static_cast<double>(std::max<int64_t>(1, params_.decode_tokens - 1));
  }

 private:
  int32_t next_token() {
    return static_cast<int32_t>(random_.bits(drawn_++) % static_cast<uint64_t>(model_.config().vocab_size));
  }

  void feed(Sequence& sequence, int64_t count) {
    while (count > 0) {
      const int64_t now = std::min(count, params_.chunk);
      ops::TokenBatch batch;
      for (int64_t i = 0; i < now; ++i) batch.tokens.push_back(next_token());
      batch.spans = {sequence.extend(0, now)};
      const Tensor hidden = model_.transformer().forward(model_.context(), batch, cache_);
      if (count == now) model_.transformer().logits(model_.context(), hidden.rows(now - 1, now));
      sequence.confirm(now);
      count -= now;
    }
  }

  void step(const std::vector<std::unique_ptr<Sequence>>& sequences) {
    ops::TokenBatch batch;
    for (const auto& sequence : sequences) {
      batch.spans.push_back(sequence->extend(batch.size(), 1));
      batch.tokens.push_back(next_token());
    }
    const Tensor hidden = model_.transformer().forward(model_.context(), batch, cache_);
    model_.transformer().logits(model_.context(), hidden);
    for (const auto& sequence : sequences) sequence->confirm(1);
  }

  LoadedModel& model_;
  const BenchmarkParams& params_;
  RandomStream random_;
  uint64_t drawn_ = 0;
  PagePool pool_;
  ops::LatentCache cache_;
};

}  // namespace

BenchmarkResult run_benchmark(LoadedModel& model, const BenchmarkParams& params,
                              const std::function<void(const std::string&)>& on_stage) {
  const int64_t longest = params.depth + std::max(params.prompt_tokens, params.decode_tokens);
  if (longest > model.config().max_position_embeddings) {
    fail(ErrorCode::kInvalidArgument, "--depth", "{} positions are asked, the model's context is {}", longest,
         model.config().max_position_embeddings);
  }
  BenchmarkResult result{.load_seconds = model.load_seconds()};
  Bench bench(model, params);
  const int64_t value_bytes = model.context().compute == ops::Compute::kF32 ? 4 : 2;
  if (params.prompt_tokens > 0) {
    on_stage("prefill");
    bench.prefill();  // brings the weights into memory
    std::vector<double> times;
    std::vector<double> rates;
    for (int i = 0; i < params.repeats; ++i) {
      rates.push_back(measure_gemm_rate(model.context()));
      times.push_back(bench.prefill());
    }
    const double seconds = median(times);
    result.gemm_rate = median(rates);
    const auto tokens = static_cast<double>(params.prompt_tokens);
    result.prefill_rate = tokens / seconds;
    const int64_t mean_depth = params.depth + params.prompt_tokens / 2;
    const auto cost = model::token_cost(model.transformer(), mean_depth, value_bytes);
    const double head = 2.0 * static_cast<double>(model.config().vocab_size * model.config().hidden_size);
    // The head runs for the last token alone.
    result.prefill_flops = (cost.flops - head) * result.prefill_rate;
  }
  if (params.decode_tokens > 1) {
    on_stage("decode");
    bench.decode();
    std::vector<double> times;
    std::vector<double> rates;
    MemoryProbe probe(model.context().team);
    for (int i = 0; i < params.repeats; ++i) {
      rates.push_back(probe.read_bandwidth());
      times.push_back(bench.decode());
    }
    const double seconds = median(times);
    result.read_bandwidth = median(rates);
    result.decode_rate = static_cast<double>(params.batch) / seconds;
    const int64_t mean_depth = params.depth + params.decode_tokens / 2;
    const auto cost = model::token_cost(model.transformer(), mean_depth, value_bytes);
    result.decode_step_bytes = model::batch_weight_bytes(model.transformer(), params.batch) +
                               static_cast<double>(params.batch) * cost.cache_bytes;
    result.decode_bandwidth = result.decode_step_bytes / seconds;
  }
  return result;
}

}  // namespace fathom::engine
