#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/shard_writer.h"

namespace fathom::checkpoint {
namespace {

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr std::string_view kOnlyFileName = "model.safetensors";
constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr size_t kMaxIndexBytes = size_t{256} << 20;

// What keeps a weight's bytes alive: the file, and its scales when these had to be copied.
struct WeightOwner {
  std::shared_ptr<const SafetensorsFile> values;
  std::shared_ptr<const SafetensorsFile> scales;
  Tensor copied_scales;
};

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && name.find('\0') == std::string::npos && name != ".." &&
         name != ".";
}

}  // namespace

std::shared_ptr<const Checkpoint> Checkpoint::open(const std::string& folder) {
  std::error_code code;
  if (!std::filesystem::is_directory(folder, code)) {
    throw Error(ErrorCode::kNotFound, "is not a folder", folder, "name the checkpoint's folder, with its config.json");
  }
  auto out = std::make_shared<Checkpoint>();
  out->folder_ = folder;
  const std::string config_path = folder + "/config.json";
  const json::Value config = json::parse_file(config_path, kMaxConfigBytes);
  out->config_ = model::read_config(json::Reader(config, config_path));
  const std::string index_path = folder + "/" + std::string(kIndexName);
  if (std::filesystem::exists(index_path, code)) {
    out->open_index(index_path);
  } else {
    out->open_folder();
  }
  return out;
}

void Checkpoint::open_index(const std::string& index_path) {
  const json::Value index = json::parse_file(index_path, kMaxIndexBytes, json::DuplicateKeys::kRefused);
  const auto weight_map = json::Reader(index, index_path).get("weight_map").members();
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> opened;
  for (const auto& [tensor, file] : weight_map) {
    const std::string name(file.as_string());
    if (!is_plain_name(name)) file.fail_expected("the name of a file in the same folder");
    auto& shard = opened[name];
    if (shard == nullptr) {
      const std::string path = folder_ + "/" + name;
      std::error_code code;
      if (!std::filesystem::exists(path, code)) {
        throw Error(ErrorCode::kNotFound, fmt::format("is missing, {} keeps {} there", kIndexName, tensor), path,
                    "the download is incomplete");
      }
      shard = SafetensorsFile::open(path);
    }
    if (shard->find(tensor) == nullptr) {
      fail(ErrorCode::kInvalidData, shard->path(), "lacks tensor {}, which {} says it holds", tensor, kIndexName);
    }
  }
  for (auto& [name, shard] : opened) add_shard(std::move(shard));
  if (shards_.empty()) fail(ErrorCode::kInvalidData, index_path, "weight_map is empty, expected tensors and files");
}

void Checkpoint::open_folder() {
  std::set<std::string> paths;
  std::error_code code;
  const std::string only = folder_ + "/" + std::string(kOnlyFileName);
  if (std::filesystem::exists(only, code)) return add_shard(SafetensorsFile::open(only));
  for (const auto& entry : std::filesystem::directory_iterator(folder_, code)) {
    if (entry.path().extension() == ".safetensors") paths.insert(entry.path().string());
  }
  if (code) fail(ErrorCode::kIo, folder_, "cannot list: {}", code.message());
  if (paths.empty()) {
    throw Error(ErrorCode::kNotFound, "holds no *.safetensors file", folder_, "download the checkpoint's weights");
  }
  for (const std::string& path : paths) add_shard(SafetensorsFile::open(path));
}

void Checkpoint::add_shard(std::shared_ptr<const SafetensorsFile> shard) {
  shards_.push_back(std::move(shard));
  for (const TensorEntry& entry : shards_.back()->tensors()) {
    if (!shard_of_.emplace(entry.name, shards_.size() - 1).second) {
      fail(ErrorCode::kInvalidData, shards_.back()->path(), "holds tensor {}, as {} does, expected one place for each",
           entry.name, shards_[shard_of_[entry.name]]->path());
    }
  }
}

Checkpoint::Found Checkpoint::find(const std::string& name) const {
  const auto at = shard_of_.find(name);
  if (at == shard_of_.end()) return {nullptr, nullptr};
  const auto& shard = shards_[at->second];
  return {shard->find(name), shard};
}

Checkpoint::Found WeightBinder::require(const std::string& name, const Shape& shape) const {
  const auto found = checkpoint_->find(name);
  if (found.entry == nullptr) {
    throw Error(ErrorCode::kInvalidData, fmt::format("no shard holds tensor {}, expected {}", name, shape_text(shape)),
                checkpoint_->folder(), "the download is incomplete, or config.json is of another model");
  }
  if (found.entry->shape != shape) {
    fail(ErrorCode::kInvalidData, found.shard->path(), "tensor {} is {}, config.json asks for {}", name,
         shape_text(found.entry->shape), shape_text(shape));
  }
  return found;
}

void WeightBinder::matrix(const std::string& name, Weight& weight, int64_t rows, int64_t cols) {
  const auto shared = model::shared_with(name, checkpoint_->config().tie_word_embeddings);
  if (shared && checkpoint_->find(name).entry == nullptr) return matrix(*shared, weight, rows, cols);
  const auto found = require(name, {rows, cols});
  const DType dtype = found.entry->dtype;
  if (dtype != DType::kF32 && dtype != DType::kBF16 && dtype != DType::kF16 && dtype != DType::kF8E4M3) {
    fail(ErrorCode::kUnsupported, found.shard->path(), "tensor {} is {}, expected F32, BF16, F16 or F8_E4M3", name,
         dtype_name(dtype));
  }
  weight.view = {.data = found.entry->bytes.data(), .dtype = dtype, .rows = rows, .cols = cols};
  weight.owner = found.shard;
  if (dtype == DType::kF8E4M3) bind_scale(name, weight);
}

void WeightBinder::bind_scale(const std::string& name, Weight& weight) const {
  const std::string scales = scale_name(name);
  const auto found = require(scales, {ceil_div(weight.rows(), kScaleBlock), ceil_div(weight.cols(), kScaleBlock)});
  auto owner = std::make_shared<WeightOwner>();
  owner->values = std::static_pointer_cast<const SafetensorsFile>(weight.owner);
  owner->scales = found.shard;
  const auto* bytes = found.entry->bytes.data();
  const bool is_aligned = reinterpret_cast<uintptr_t>(bytes) % alignof(float) == 0;
  if (found.entry->dtype == DType::kF32 && is_aligned) {
    weight.view.scale_inv = reinterpret_cast<const float*>(bytes);
  } else {
    owner->copied_scales = read_tensor(*found.shard, *found.entry);
    if (owner->copied_scales.dtype() != DType::kF32) {
      fail(ErrorCode::kUnsupported, found.shard->path(), "tensor {} is {}, expected F32", scales,
           dtype_name(found.entry->dtype));
    }
    weight.view.scale_inv = owner->copied_scales.f32();
  }
  weight.owner = owner;
}

void WeightBinder::vector(const std::string& name, Tensor& values, int64_t n) {
  const auto found = require(name, {n});
  values = read_tensor(*found.shard, *found.entry);
  if (values.dtype() != DType::kF32) {
    fail(ErrorCode::kInvalidData, found.shard->path(), "tensor {} is {}, expected F32, BF16 or F16", name,
         dtype_name(found.entry->dtype));
  }
}

}  // namespace fathom::checkpoint
