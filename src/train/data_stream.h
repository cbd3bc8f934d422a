#pragma once
// The order in which training sees its data: a function of the seed and of how much was seen, so that a resumed run
// continues exactly.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "train/step.h"
#include "train/token_shard.h"

namespace fathom::train {

struct DataSource {
  std::shared_ptr<const TokenShard> shard;
  double weight = 1;  // its share of the tokens
};

// Where a source stands.
struct SourcePosition {
  int64_t epoch = 0;   // how often all of its documents were seen
  int64_t index = 0;   // place in this epoch's order
  int64_t offset = 0;  // tokens of that document that were inputs already
  int64_t tokens = 0;  // inputs given in all
  int64_t since = 0;   // of them, those before the weights were set

  bool operator==(const SourcePosition&) const = default;
};

class DataStream {
 public:
  // Throws Error(kInvalidArgument) without documents or with a weight that is not positive.
  DataStream(std::vector<DataSource> sources, uint64_t seed);

  // The next inputs, `tokens` at most, cut into sequences of at most `context`. A document is begun at its first token;
  // what does not fit into a sequence is the beginning of another, and a sequence that does not fit behind others
  // begins the next batch. The source that lacks most of its share gives the next document; its documents come in an
  // order that is drawn anew for each epoch.
  std::vector<Sequence> next(int64_t tokens, int64_t context);

  const std::vector<SourcePosition>& position() const { return positions_; }
  // Shares from here on, one for each source; a source of weight 0 rests. Throws Error(kInvalidArgument).
  void set_weights(const std::vector<double>& weights);
  // Continues behind a position of a stream of the same sources and seed.
  void seek(const std::vector<SourcePosition>& positions);

 private:
  // The document that stands at `position` of its source's order.
  std::span<const ShardToken> document(size_t source, const SourcePosition& position) const;
  size_t next_source() const;
  void pass_document(size_t source);

  std::vector<DataSource> sources_;
  uint64_t seed_;
  std::vector<double> weights_;
  std::vector<SourcePosition> positions_;
};

}  // namespace fathom::train
