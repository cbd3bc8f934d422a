#pragma once
// Reads a run's metrics.jsonl while it is being written: by offsets, complete lines only, never more than a few
// megabytes at a time. Nothing is remembered between calls, so that any number of pages may follow a run.

#include <cstdint>
#include <string>
#include <vector>

namespace fathom::server {

// Where a reader stands: behind a line, and a mark of the bytes before it. A file that was cut or written anew has
// other bytes there, even when it has grown past the offset since.
struct MetricsPosition {
  uint64_t offset = 0;
  std::string mark = {};  // 16 hexadecimal digits; anything else at offset 0
};

constexpr uint64_t kMetricsChunkBytes = 4 << 20;

// Lines of metrics as one JSON object:
//   reset    the position did not fit the file any longer; what follows is read from the start
//   offset, mark   the position behind these lines
//   more     there are more to be had at once
//   age      seconds since the file was written; null without a file
//   steps    the number of lines, and of values in each column
//   columns  by name: at (offset of the line), step, tokens, loss, ..., spike, skipped; null where a line lacks a value
// A line that is no JSON object with a step is passed over; the last one, when its end is not yet written, is left for
// the next call. Throws Error(kInvalidData) for a line that does not end within 64 MiB.
std::string read_metrics(const std::string& path, const MetricsPosition& from,
                         uint64_t chunk_bytes = kMetricsChunkBytes);

// Load of the experts over the lines that begin in [begin, end), of the last 8 MiB of them when they are more:
//   first, last, steps   the steps that were averaged
//   layers   their numbers
//   load     for each layer, each expert's load relative to the layer's mean
std::string read_expert_load(const std::string& path, uint64_t begin, uint64_t end);

}  // namespace fathom::server
