#include "checkpoint/shard_writer.h"

#include <filesystem>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/error.h"
#include "base/progress.h"

namespace fathom::checkpoint {
namespace {

constexpr size_t kShardBytes = size_t{4} << 30;

void write_shard(const std::string& path, std::span<const PlannedTensor> tensors,
                 const std::function<void(size_t, const ByteSink&)>& values) {
  json::Object header;
  size_t at = 0;
  for (const PlannedTensor& tensor : tensors) {
    json::Array shape;
    for (const int64_t dim : tensor.shape) shape.push_back(dim);
    header[tensor.name] = json::Object{
        {"dtype", dtype_name(tensor.dtype)}, {"shape", shape}, {"data_offsets", json::Array{at, at + tensor.bytes()}}};
    at += tensor.bytes();
  }
  std::string text = json::dump(header);
  text.resize(static_cast<size_t>(round_up(static_cast<int64_t>(text.size()), 8)), ' ');
  const uint64_t length = text.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(text);
  for (size_t i = 0; i < tensors.size(); ++i) {
    size_t written = 0;
    values(i, [&](std::span<const std::byte> bytes) {
      file.write(bytes);
      written += bytes.size();
    });
    FATHOM_CHECK_MSG(written == tensors[i].bytes(), "tensor {}: {} of {} bytes", tensors[i].name, written,
                     tensors[i].bytes());
  }
  file.commit();
}

const char* torch_name(DType dtype) {
  return dtype == DType::kF32 ? "float32" : dtype == DType::kF16 ? "float16" : "bfloat16";
}

}  // namespace

void write_shards(const std::string& folder, std::span<const PlannedTensor> tensors,
                  const std::function<void(size_t, const ByteSink&)>& values) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) fail(ErrorCode::kIo, folder, "cannot create: {}", code.message());
  std::vector<size_t> ends;
  for (size_t begin = 0, end = 0; begin < tensors.size(); begin = end) {
    for (size_t bytes = 0; end < tensors.size() && (end == begin || bytes + tensors[end].bytes() <= kShardBytes);
         ++end) {
      bytes += tensors[end].bytes();
    }
    ends.push_back(end);
  }
  Progress progress("writing tensors", static_cast<int64_t>(tensors.size()));
  json::Object weight_map;
  size_t total = 0;
  size_t begin = 0;
  for (size_t shard = 0; shard < ends.size(); ++shard) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, ends.size());
    const auto part = tensors.subspan(begin, ends[shard] - begin);
    for (const PlannedTensor& tensor : part) {
      weight_map[tensor.name] = name;
      total += tensor.bytes();
    }
    write_shard(folder + "/" + name, part, [&](size_t i, const ByteSink& sink) {
      values(begin + i, sink);
      progress.update(static_cast<int64_t>(begin + i) + 1);
    });
    begin = ends[shard];
  }
  AtomicFile index(folder + "/model.safetensors.index.json");
  index.write(json::dump(json::Object{{"metadata", json::Object{{"total_size", total}}}, {"weight_map", weight_map}}));
  index.commit();
}

bool is_stored_in_fp8(std::string_view name) {
  if (name.ends_with("eh_proj.weight") || name.ends_with("weights_proj.weight")) return false;
  for (const std::string_view end :
       {"_proj.weight", "_proj_with_mqa.weight", ".indexer.wq_b.weight", ".indexer.wk.weight"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

std::string scale_name(std::string_view name) {
  return std::string(name.substr(0, name.rfind("weight"))) + "weight_scale_inv";
}

void write_config(const std::string& folder, json::Value config, DType dtype) {
  json::Object& object = config.as_object();
  object["torch_dtype"] = torch_name(dtype);
  object.erase("quantization_config");
  if (dtype == DType::kF8E4M3) {
    object["quantization_config"] = json::Object{{"quant_method", "fp8"},
                                                 {"fmt", "e4m3"},
                                                 {"activation_scheme", "dynamic"},
                                                 {"weight_block_size", json::Array{kScaleBlock, kScaleBlock}}};
  }
  AtomicFile file(folder + "/config.json");
  file.write(json::dump(config));
  file.commit();
}

}  // namespace fathom::checkpoint
