#include "checkpoint/export.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <span>
#include <vector>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/shard_writer.h"
#include "checkpoint/tokenizer_files.h"
#include "kernels/kernels.h"
#include "model/transformer.h"

namespace fathom::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr float kLargestF8 = 448;

struct Source {
  Weight matrix = {};
  Tensor vector = {};
  bool is_scale = false;  // of `matrix`
};

// Plans a tensor for each parameter, and one for the scales of each that becomes FP8.
class ExportPlanner : public model::ParameterVisitor {
 public:
  ExportPlanner(const ExportParams& params, bool has_tied_head) : params_(params), has_tied_head_(has_tied_head) {}

  void matrix(const std::string& name, Weight& weight, int64_t rows, int64_t cols) override {
    if (!params_.has_mtp_copies && model::shared_with(name, has_tied_head_)) return;
    if (params_.dtype != DType::kF8E4M3) return add(name, params_.dtype, {rows, cols}, {.matrix = weight});
    if (!is_stored_in_fp8(name)) return add(name, DType::kBF16, {rows, cols}, {.matrix = weight});
    add(name, DType::kF8E4M3, {rows, cols}, {.matrix = weight});
    add(scale_name(name), DType::kF32, {ceil_div(rows, kScaleBlock), ceil_div(cols, kScaleBlock)},
        {.matrix = weight, .is_scale = true});
  }

  void vector(const std::string& name, Tensor& values, int64_t n) override {
    // The bias that balances experts is F32 in every published checkpoint.
    const bool is_wide = params_.dtype == DType::kF32 || name.ends_with("e_score_correction_bias");
    add(name, is_wide ? DType::kF32 : DType::kBF16, {n}, {.vector = values});
  }

  std::vector<PlannedTensor> tensors;
  std::vector<Source> sources;

 private:
  void add(const std::string& name, DType dtype, Shape shape, Source source) {
    tensors.push_back({name, dtype, std::move(shape)});
    sources.push_back(std::move(source));
  }

  ExportParams params_;
  bool has_tied_head_;
};

// Rows [begin, end) widened.
std::vector<float> widened(const MatrixView& w, int64_t begin, int64_t end) {
  const auto& widen = kernels::reference_kernels().rowwise.widen;
  std::vector<float> out(static_cast<size_t>((end - begin) * w.cols));
  float* to = out.data();
  for (int64_t r = begin; r < end; ++r) {
    const auto* row = static_cast<const std::byte*>(w.row(r));
    for (int64_t c = 0; c < w.cols; c += kScaleBlock) {
      const int64_t count = std::min(kScaleBlock, w.cols - c);
      widen(row + static_cast<size_t>(c) * dtype_bytes(w.dtype), w.dtype, w.scale(r, c / kScaleBlock), count, to);
      to += count;
    }
  }
  return out;
}

template <typename T>
void give(const ByteSink& sink, const std::vector<T>& values) {
  sink(std::as_bytes(std::span(values)));
}

void give_as(DType dtype, std::span<const float> values, const ByteSink& sink) {
  if (dtype == DType::kF32) return sink(std::as_bytes(values));
  std::vector<bf16_t> narrow(values.size());
  std::transform(values.begin(), values.end(), narrow.begin(), f32_to_bf16);
  give(sink, narrow);
}

void give_fp8(const MatrixView& w, bool is_scale, const ByteSink& sink) {
  if (w.dtype == DType::kF8E4M3) {
    const int64_t count = is_scale ? ceil_div(w.rows, kScaleBlock) * w.scale_cols() : w.rows * w.cols;
    const void* from = is_scale ? static_cast<const void*>(w.scale_inv) : w.data;
    return sink({static_cast<const std::byte*>(from), static_cast<size_t>(count) * (is_scale ? sizeof(float) : 1)});
  }
  for (int64_t r = 0; r < w.rows; r += kScaleBlock) {
    const int64_t rows = std::min(kScaleBlock, w.rows - r);
    std::vector<f8_t> values(static_cast<size_t>(rows * w.cols));
    std::vector<float> scales(static_cast<size_t>(w.scale_cols()));
    quantize_fp8_blocks(widened(w, r, r + rows).data(), rows, w.cols, values.data(), scales.data());
    is_scale ? give(sink, scales) : give(sink, values);
  }
}

void give_tensor(const PlannedTensor& tensor, const Source& source, const ByteSink& sink) {
  if (source.vector.defined()) {
    return give_as(tensor.dtype, {source.vector.f32(), static_cast<size_t>(source.vector.count())}, sink);
  }
  const MatrixView& w = source.matrix.view;
  if (tensor.dtype == DType::kF8E4M3 || source.is_scale) return give_fp8(w, source.is_scale, sink);
  for (int64_t r = 0; r < w.rows; r += kScaleBlock) {
    give_as(tensor.dtype, widened(w, r, std::min(w.rows, r + kScaleBlock)), sink);
  }
}

}  // namespace

void quantize_fp8_blocks(const float* values, int64_t rows, int64_t cols, f8_t* out, float* scale_inv) {
  for (int64_t r = 0; r < rows; r += kScaleBlock) {
    for (int64_t c = 0; c < cols; c += kScaleBlock) {
      const int64_t last_row = std::min(rows, r + kScaleBlock);
      const int64_t last_col = std::min(cols, c + kScaleBlock);
      float largest = 0;
      for (int64_t i = r; i < last_row; ++i) {
        for (int64_t j = c; j < last_col; ++j) largest = std::max(largest, std::fabs(values[i * cols + j]));
      }
      const float scale = largest > 0 ? largest / kLargestF8 : 1.0F;
      *scale_inv++ = scale;
      for (int64_t i = r; i < last_row; ++i) {
        for (int64_t j = c; j < last_col; ++j) out[i * cols + j] = f32_to_f8e4m3(values[i * cols + j] / scale);
      }
    }
  }
}

void export_checkpoint(const std::string& from, const std::string& to, const ExportParams& params) {
  const auto checkpoint = Checkpoint::open(from);
  if (fs::exists(to) && fs::equivalent(from, to)) {
    fail(ErrorCode::kInvalidArgument, to, "is the checkpoint that is read; name another folder");
  }
  model::Transformer transformer(checkpoint->config());
  WeightBinder binder(checkpoint);
  transformer.visit(binder);
  ExportPlanner planner(params, checkpoint->config().tie_word_embeddings);
  transformer.visit(planner);
  write_shards(to, planner.tensors,
               [&](size_t i, const ByteSink& sink) { give_tensor(planner.tensors[i], planner.sources[i], sink); });
  write_config(to, json::parse_file(from + "/config.json"), params.dtype);
  copy_tokenizer_files(from, to);
}

}  // namespace fathom::checkpoint
