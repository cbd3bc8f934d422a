#include "checkpoint/random_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "checkpoint/shard_writer.h"
#include "model/transformer.h"

namespace fathom::checkpoint {
namespace {

constexpr size_t kBlockBytes = size_t{4} << 20;
// A table of this many encoded values stands for the distribution; drawing is then a look-up per value.
constexpr size_t kTableSize = 4096;

// Uniform values reach the largest of E4M3, 448, as the published scales make the largest of each block.
const double kF8Deviation = 448 / std::sqrt(3.0);

struct Planned : PlannedTensor {
  double deviation;  // 0: all ones
};

// Lists what a model of this config wants.
class Planner : public model::ParameterVisitor {
 public:
  explicit Planner(std::string format) : format_(std::move(format)) {}

  void matrix(const std::string& name, Weight&, int64_t rows, int64_t cols) override {
    const double deviation = 1.0 / std::sqrt(static_cast<double>(cols));
    if (format_ != "fp8" || !is_stored_in_fp8(name)) {
      planned.push_back({{name, plain(), {rows, cols}}, deviation});
      return;
    }
    planned.push_back({{name, DType::kF8E4M3, {rows, cols}}, kF8Deviation});
    planned.push_back({{scale_name(name), DType::kF32, {ceil_div(rows, kScaleBlock), ceil_div(cols, kScaleBlock)}},
                       -deviation / kF8Deviation});
  }

  void vector(const std::string& name, Tensor&, int64_t n) override {
    const bool is_bias = name.ends_with("bias");
    planned.push_back({{name, is_bias ? DType::kF32 : plain(), {n}}, is_bias ? 0.01 : 0.0});
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
void write_values(const ByteSink& sink, const Planned& tensor, const RandomStream& random) {
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
    sink(std::span(block).first(now * size));
    done += now;
  }
}

}  // namespace

void write_random_checkpoint_for(const std::string& config_path, const std::string& format, const std::string& folder,
                                 uint64_t seed) {
  json::Value config = json::parse_file(config_path);
  model::Transformer transformer(model::read_config(json::Reader(config, config_path)));
  Planner planner(format);
  transformer.visit(planner);

  std::vector<PlannedTensor> tensors(planner.planned.begin(), planner.planned.end());
  write_shards(folder, tensors,
               [&](size_t i, const ByteSink& sink) { write_values(sink, planner.planned[i], RandomStream(seed, i)); });
  const std::pair<const char*, DType> formats[] = {
      {"f32", DType::kF32}, {"f16", DType::kF16}, {"bf16", DType::kBF16}, {"fp8", DType::kF8E4M3}};
  for (const auto& [name, dtype] : formats) {
    if (format == name) write_config(folder, config, dtype);
  }
}

}  // namespace fathom::checkpoint
