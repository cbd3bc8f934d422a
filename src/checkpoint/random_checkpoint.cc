#include "checkpoint/random_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/progress.h"
#include "base/random.h"
#include "model/transformer.h"

namespace fathom::checkpoint {
namespace {

constexpr size_t kShardBytes = size_t{4} << 30;
constexpr size_t kBlockBytes = size_t{4} << 20;
// A table of this many encoded values stands for the distribution; drawing is then a look-up per value.
constexpr size_t kTableSize = 4096;

// Uniform values reach the largest of E4M3, 448, as the published scales make the largest of each block.
const double kF8Deviation = 448 / std::sqrt(3.0);

struct Planned {
  std::string name;
  DType dtype;
  Shape shape;
  double deviation;  // 0: all ones

  size_t bytes() const { return static_cast<size_t>(element_count(shape)) * dtype_bytes(dtype); }
};

// Lists what a model of this config wants.
class Planner : public model::ParameterVisitor {
 public:
  explicit Planner(std::string format) : format_(std::move(format)) {}

  void matrix(const std::string& name, Weight&, int64_t rows, int64_t cols) override {
    const double deviation = 1.0 / std::sqrt(static_cast<double>(cols));
    // Published FP8 checkpoints keep embedding, head, gate and the MTP projection in BF16.
    const bool is_layer = name.find("_proj.weight") != std::string::npos && name.find("eh_proj") == std::string::npos;
    if (format_ != "fp8" || !is_layer) {
      planned.push_back({name, plain(), {rows, cols}, deviation});
      return;
    }
    planned.push_back({name, DType::kF8E4M3, {rows, cols}, kF8Deviation});
    planned.push_back({name.substr(0, name.rfind("weight")) + "weight_scale_inv",
                       DType::kF32,
                       {ceil_div(rows, kScaleBlock), ceil_div(cols, kScaleBlock)},
                       -deviation / kF8Deviation});
  }

  void vector(const std::string& name, Tensor&, int64_t n) override {
    const bool is_bias = name.ends_with("bias");
    planned.push_back({name, is_bias ? DType::kF32 : plain(), {n}, is_bias ? 0.01 : 0.0});
  }

  std::vector<Planned> planned;

 private:
  DType plain() const {
    if (format_ == "f32") return DType::kF32;
    return format_ == "f16" ? DType::kF16 : DType::kBF16;
  }

  std::string format_;
};

void encode(double value, DType dtype, std::byte* to) {
  const auto number = static_cast<float>(value);
  const auto put = [&](auto bits) { std::copy_n(reinterpret_cast<const std::byte*>(&bits), sizeof(bits), to); };
  if (dtype == DType::kF32) put(number);
  if (dtype == DType::kBF16) put(f32_to_bf16(number));
  if (dtype == DType::kF16) put(f32_to_f16(number));
  if (dtype == DType::kF8E4M3) put(f32_to_f8e4m3(number));
}

// Streams one tensor's values: blocks of look-ups into a table of the distribution.
void write_values(AtomicFile& file, const Planned& tensor, const RandomStream& random) {
  const size_t size = dtype_bytes(tensor.dtype);
  std::vector<std::byte> table(kTableSize * size);
  for (size_t i = 0; i < kTableSize; ++i) {
    const double uniform = (2.0 * (static_cast<double>(i) + 0.5) / kTableSize - 1.0) * std::sqrt(3.0);
    // A constant is marked by a deviation of zero (one) or below (its magnitude).
    const double value = tensor.deviation > 0   ? uniform * tensor.deviation
                         : tensor.deviation < 0 ? -tensor.deviation
                                                : 1;
    encode(value, tensor.dtype, table.data() + i * size);
  }
  const auto count = static_cast<size_t>(element_count(tensor.shape));
  std::vector<std::byte> block(std::min(kBlockBytes, count * size));
  for (size_t done = 0; done < count;) {
    const size_t now = std::min(block.size() / size, count - done);
    for (size_t i = 0; i < now; i += 4) {
      const uint64_t bits = random.bits((done + i) / 4);
      for (size_t j = i; j < std::min(now, i + 4); ++j) {
        const size_t entry = (bits >> (16 * (j - i))) % kTableSize;
        std::copy_n(table.data() + entry * size, size, block.data() + j * size);
      }
    }
    file.write(std::span(block).first(now * size));
    done += now;
  }
}

void write_shard(const std::string& path, std::span<const Planned> tensors, uint64_t seed, uint64_t first,
                 const std::function<void()>& on_tensor) {
  json::Object header;
  size_t at = 0;
  for (const Planned& tensor : tensors) {
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
  for (const Planned& tensor : tensors) {
    write_values(file, tensor, RandomStream(seed, first++));
    on_tensor();
  }
  file.commit();
}

}  // namespace

void write_random_checkpoint_for(const std::string& config_path, const std::string& format, const std::string& folder,
                                 uint64_t seed) {
  json::Value config = json::parse_file(config_path);
  model::Transformer transformer(model::read_config(json::Reader(config, config_path)));
  Planner planner(format);
  transformer.visit(planner);

  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) fail(ErrorCode::kIo, folder, "cannot create: {}", code.message());
  std::vector<std::span<const Planned>> shards;
  const std::span<const Planned> all(planner.planned);
  for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    for (size_t bytes = 0; end < all.size() && (end == begin || bytes + all[end].bytes() <= kShardBytes); ++end) {
      bytes += all[end].bytes();
    }
    shards.push_back(all.subspan(begin, end - begin));
  }
  Progress progress("writing tensors", static_cast<int64_t>(all.size()));
  int64_t done = 0;
  json::Object weight_map;
  size_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    for (const Planned& tensor : shards[i]) {
      weight_map[tensor.name] = name;
      total += tensor.bytes();
    }
    write_shard(folder + "/" + name, shards[i], seed, static_cast<uint64_t>(shards[i].data() - all.data()),
                [&] { progress.update(++done); });
  }
  AtomicFile index(folder + "/model.safetensors.index.json");
  index.write(json::dump(json::Object{{"metadata", json::Object{{"total_size", total}}}, {"weight_map", weight_map}}));
  index.commit();
  if (format == "fp8") {
    config.as_object()["quantization_config"] =
        json::Object{{"quant_method", "fp8"},
                     {"fmt", "e4m3"},
                     {"activation_scheme", "dynamic"},
                     {"weight_block_size", json::Array{kScaleBlock, kScaleBlock}}};
  }
  AtomicFile written(folder + "/config.json");
  written.write(json::dump(config));
  written.commit();
}

}  // namespace fathom::checkpoint
