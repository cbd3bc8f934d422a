#pragma once
// A checkpoint in another published format.

#include <string>

#include "tensor/dtype.h"

namespace fathom::checkpoint {

struct ExportParams {
  DType dtype =
      DType::kBF16;  // F32, BF16, or F8_E4M3: blocks of 128x128, what published checkpoints keep wider as BF16
  bool has_mtp_copies = true;  // MTP modules get copies of the embedding and the head, as published checkpoints have
};

// Reads the checkpoint in `from` and writes `to`: config.json, shards with an index, the tokenizer's files. Matrices
// that are FP8 already stay as they are when FP8 is asked for. Throws Error.
void export_checkpoint(const std::string& from, const std::string& to, const ExportParams& params);

// Rounds `rows` x `cols` values to E4M3 in blocks of 128x128, each with the scale that takes its largest to 448
// (V3 report, section 3.3.2); `scale_inv` gets the factors back, [ceil(rows/128), ceil(cols/128)].
void quantize_fp8_blocks(const float* values, int64_t rows, int64_t cols, f8_t* out, float* scale_inv);

}  // namespace fathom::checkpoint
