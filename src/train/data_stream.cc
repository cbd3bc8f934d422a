#include "train/data_stream.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/error.h"
#include "base/random.h"

namespace fathom::train {
namespace {

// A permutation of [0, n) without a table: four rounds of a Feistel network over the next even number of bits, repeated
// until the value falls below n (Black and Rogaway 2002).
uint64_t permuted(uint64_t i, uint64_t n, const RandomStream& random) {
  const int half = std::max(1, (static_cast<int>(std::bit_width(n - 1)) + 1) / 2);
  const uint64_t mask = (uint64_t{1} << half) - 1;
  do {
    uint64_t left = i >> half;
    uint64_t right = i & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t mixed = left ^ (random.bits(right << 2 | round) & mask);
      left = right;
      right = mixed;
    }
    i = left << half | right;
  } while (i >= n);
  return i;
}

}  // namespace

DataStream::DataStream(std::vector<DataSource> sources, uint64_t seed)
    : sources_(std::move(sources)), seed_(seed), positions_(sources_.size()) {
  if (sources_.empty()) fail(ErrorCode::kInvalidArgument, "data", "names no shard, expected one at least");
  for (const DataSource& source : sources_) {
    bool has_tokens = false;
    for (int64_t i = 0; i < source.shard->documents() && !has_tokens; ++i) {
      has_tokens = source.shard->document(i).size() > 1;
    }
    if (!has_tokens) fail(ErrorCode::kInvalidArgument, source.shard->path(), "holds no document of two tokens or more");
    weights_.push_back(source.weight);
  }
  set_weights(weights_);
}

void DataStream::set_weights(const std::vector<double>& weights) {
  if (weights.size() != sources_.size()) {
    fail(ErrorCode::kInvalidArgument, "data", "found {} weights for {} sources", weights.size(), sources_.size());
  }
  double sum = 0;
  for (size_t s = 0; s < weights.size(); ++s) {
    if (!(weights[s] >= 0)) {
      fail(ErrorCode::kInvalidArgument, sources_[s].shard->path(), "has weight {}, expected 0 or more", weights[s]);
    }
    sum += weights[s];
  }
  if (!(sum > 0)) fail(ErrorCode::kInvalidArgument, "data", "all weights are 0");
  weights_ = weights;
  for (SourcePosition& position : positions_) position.since = position.tokens;
}

std::span<const ShardToken> DataStream::document(size_t source, const SourcePosition& position) const {
  const TokenShard& shard = *sources_[source].shard;
  const RandomStream random(seed_, static_cast<uint64_t>(position.epoch) << 16 | source);
  const uint64_t i = permuted(static_cast<uint64_t>(position.index), static_cast<uint64_t>(shard.documents()), random);
  return shard.document(static_cast<int64_t>(i));
}

size_t DataStream::next_source() const {
  size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (size_t s = 0; s < sources_.size(); ++s) {
    if (weights_[s] == 0) continue;
    const double given = static_cast<double>(positions_[s].tokens - positions_[s].since) / weights_[s];
    if (given < least) {
      best = s;
      least = given;
    }
  }
  return best;
}

void DataStream::pass_document(size_t source) {
  SourcePosition& position = positions_[source];
  position.offset = 0;
  if (++position.index < sources_[source].shard->documents()) return;
  position.index = 0;
  ++position.epoch;
}

std::vector<Sequence> DataStream::next(int64_t tokens, int64_t context) {
  FATHOM_CHECK(tokens > 0 && context > 0);
  std::vector<Sequence> out;
  while (tokens > 0) {
    const size_t source = next_source();
    SourcePosition& position = positions_[source];
    const std::span<const ShardToken> all = document(source, position);
    const int64_t left = static_cast<int64_t>(all.size()) - 1 - position.offset;
    if (left <= 0) {
      pass_document(source);
      continue;
    }
    const int64_t whole = std::min(left, context);
    if (whole > tokens && !out.empty()) break;
    const int64_t count = std::min(whole, tokens);
    Sequence sequence;
    for (int64_t i = position.offset; i < position.offset + count; ++i) {
      const ShardToken target = all[static_cast<size_t>(i) + 1];
      sequence.inputs.push_back(all[static_cast<size_t>(i)].id());
      sequence.targets.push_back(target.is_learned() ? target.id() : ops::kNoTarget);
    }
    out.push_back(std::move(sequence));
    position.offset += count;
    position.tokens += count;
    tokens -= count;
    if (count == left) pass_document(source);
  }
  return out;
}

void DataStream::seek(const std::vector<SourcePosition>& positions) {
  if (positions.size() != sources_.size()) {
    fail(ErrorCode::kInvalidData, "data", "found positions of {} sources, expected {}: the recipe's data changed",
         positions.size(), sources_.size());
  }
  for (size_t s = 0; s < positions.size(); ++s) {
    const SourcePosition& p = positions[s];
    if (p.index < 0 || p.index >= sources_[s].shard->documents() || p.offset < 0 || p.epoch < 0) {
      fail(ErrorCode::kInvalidData, sources_[s].shard->path(), "has no document {}: the shard changed", p.index);
    }
  }
  positions_ = positions;
}

}  // namespace fathom::train
