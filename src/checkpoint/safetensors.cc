#include "checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"

namespace fathom::checkpoint {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr size_t kMaxHeaderBytes = size_t{100} << 20;
constexpr size_t kHeaderAlignment = 8;
constexpr size_t kMaxHeaderDepth = 8;  // three are used; metadata is flat

// The product of a shape, or nothing when it overflows.
std::optional<uint64_t> checked_bytes(const Shape& shape, DType dtype) {
  uint64_t bytes = dtype_bytes(dtype);
  for (const int64_t dim : shape) {
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(dim), &bytes)) return std::nullopt;
  }
  return bytes;
}

struct Placed {
  TensorEntry entry;
  uint64_t begin;
  uint64_t end;
};

Placed read_entry(const std::string& name, const json::Reader& json, std::span<const std::byte> values) {
  const std::string dtype_text(json.get("dtype").as_string());
  const auto dtype = dtype_from_name(dtype_text);
  if (!dtype) {
    fail(ErrorCode::kUnsupported, json.location(), "has type {}, expected F32, BF16, F16, F8_E4M3, F64, I64, I32 or U8",
         json::quote(dtype_text));
  }
  Shape shape;
  for (const auto& dim : json.get("shape").items()) shape.push_back(dim.as_int(0));
  const auto offsets = json.get("data_offsets").items();
  if (offsets.size() != 2) json.get("data_offsets").fail_expected("[begin, end]");
  const auto begin = static_cast<uint64_t>(offsets[0].as_int(0));
  const auto end = static_cast<uint64_t>(offsets[1].as_int(0));
  if (begin > end || end > values.size()) {
    fail(ErrorCode::kInvalidData, json.location(), "lies at bytes [{}, {}) of {}: the file is truncated or lies", begin,
         end, values.size());
  }
  const auto wanted = checked_bytes(shape, *dtype);
  if (!wanted || *wanted != end - begin) {
    fail(ErrorCode::kInvalidData, json.location(), "has {} bytes, {} {} wants {}", end - begin, dtype_text,
         shape_text(shape), wanted ? std::to_string(*wanted) : "more than there can be");
  }
  return {{name, *dtype, shape, values.subspan(begin, end - begin)}, begin, end};
}

// Tensors must tile the values: no two overlap, no bytes belong to none.
void check_tiling(std::vector<Placed>& placed, uint64_t size, const std::string& path) {
  std::sort(placed.begin(), placed.end(),
            [](const Placed& a, const Placed& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  uint64_t at = 0;
  for (const Placed& p : placed) {
    if (p.begin != at) {
      fail(ErrorCode::kInvalidData, path, "tensor {} begins at byte {}, expected {}: tensors overlap or leave a hole",
           p.entry.name, p.begin, at);
    }
    at = p.end;
  }
  if (at != size) fail(ErrorCode::kInvalidData, path, "holds {} bytes of values, its tensors have {}", size, at);
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::string path, std::shared_ptr<const MappedFile> file,
                                 std::span<const std::byte> bytes)
    : path_(std::move(path)), file_(std::move(file)) {
  if (bytes.size() < kLengthBytes) {
    fail(ErrorCode::kInvalidData, path_, "is {} bytes, expected at least the {} of a safetensors header", bytes.size(),
         kLengthBytes);
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeaderBytes || length > bytes.size() - kLengthBytes) {
    fail(ErrorCode::kInvalidData, path_,
         "says that its header has {} bytes, expected at most {}: truncated or not a safetensors file", length,
         std::min(kMaxHeaderBytes, bytes.size() - kLengthBytes));
  }
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  const auto values = bytes.subspan(kLengthBytes + length);
  const json::Value parsed = json::parse(header, path_, kMaxHeaderDepth, json::DuplicateKeys::kRefused);
  std::vector<Placed> placed;
  for (const auto& [name, json] : json::Reader(parsed, path_).members()) {
    if (name == "__metadata__") {
      for (const auto& [key, text] : json.members()) text.as_string();
    } else {
      placed.push_back(read_entry(name, json, values));
    }
  }
  check_tiling(placed, values.size(), path_);
  for (Placed& p : placed) tensors_.push_back(std::move(p.entry));
  std::sort(tensors_.begin(), tensors_.end(),
            [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; });
}

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return std::shared_ptr<const SafetensorsFile>(new SafetensorsFile(path, std::move(file), bytes));
}

std::shared_ptr<const SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes,
                                                              const std::string& where) {
  return std::shared_ptr<const SafetensorsFile>(new SafetensorsFile(where, nullptr, bytes));
}

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const TensorEntry& e, const std::string& n) { return e.name < n; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

namespace {

// The ids of a tensor of `axes` axes, in row-major order.
std::vector<int32_t> read_ids(const SafetensorsFile& file, const std::string& name, size_t axes, Shape& shape) {
  const TensorEntry* entry = file.find(name);
  if (entry == nullptr) fail(ErrorCode::kNotFound, file.path(), "has no tensor {}", name);
  if (entry->shape.size() != axes || (entry->dtype != DType::kI32 && entry->dtype != DType::kI64)) {
    fail(ErrorCode::kInvalidData, file.path(), "tensor {} is {} {}, expected I32 {}", name, dtype_name(entry->dtype),
         shape_text(entry->shape), axes == 1 ? "[S]" : "[rows, S]");
  }
  shape = entry->shape;
  std::vector<int32_t> ids;
  const size_t size = dtype_bytes(entry->dtype);
  for (size_t i = 0; i < entry->bytes.size(); i += size) {
    int64_t id = 0;
    std::memcpy(&id, entry->bytes.data() + i, size);
    if (size == sizeof(int32_t)) id = static_cast<int32_t>(id);
    if (id < INT32_MIN || id > INT32_MAX)
      fail(ErrorCode::kInvalidData, file.path(), "tensor {} holds id {}, expected 32 bits", name, id);
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

}  // namespace

std::vector<int32_t> read_ids(const SafetensorsFile& file, const std::string& name) {
  Shape shape;
  return read_ids(file, name, 1, shape);
}

std::vector<std::vector<int32_t>> read_id_rows(const SafetensorsFile& file, const std::string& name) {
  Shape shape;
  const std::vector<int32_t> ids = read_ids(file, name, 2, shape);
  std::vector<std::vector<int32_t>> rows;
  for (int64_t r = 0; r < shape[0]; ++r) {
    rows.emplace_back(ids.begin() + r * shape[1], ids.begin() + (r + 1) * shape[1]);
  }
  return rows;
}

Tensor read_tensor(const SafetensorsFile& file, const TensorEntry& entry) {
  if (entry.dtype == DType::kI32 || entry.dtype == DType::kF32) {
    Tensor out = Tensor::zeros(entry.shape, entry.dtype);
    if (!entry.bytes.empty()) std::memcpy(out.data<int32_t>(), entry.bytes.data(), entry.bytes.size());
    return out;
  }
  if (entry.dtype != DType::kBF16 && entry.dtype != DType::kF16) {
    fail(ErrorCode::kUnsupported, file.path(), "tensor {} is {}, expected F32, BF16, F16 or I32", entry.name,
         dtype_name(entry.dtype));
  }
  Tensor out = Tensor::zeros(entry.shape);
  for (int64_t i = 0; i < out.count(); ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, entry.bytes.data() + static_cast<size_t>(i) * sizeof(bits), sizeof(bits));
    out.f32()[i] = entry.dtype == DType::kBF16 ? bf16_to_f32(bits) : f16_to_f32(bits);
  }
  return out;
}

void write_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors) {
  json::Object header;
  header["__metadata__"] = json::Object{{"format", "pt"}};
  size_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    json::Array shape;
    for (const int64_t dim : tensor.shape()) shape.push_back(dim);
    header[name] = json::Object{{"dtype", dtype_name(tensor.dtype())},
                                {"shape", shape},
                                {"data_offsets", json::Array{at, at + tensor.bytes()}}};
    at += tensor.bytes();
  }
  std::string text = json::dump(header);
  text.resize(round_up(static_cast<int64_t>(text.size()), kHeaderAlignment), ' ');
  const uint64_t length = text.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(text);
  for (const auto& [name, tensor] : tensors) {
    if (tensor.bytes() > 0) {
      file.write({reinterpret_cast<const std::byte*>(tensor.data_bytes()), tensor.bytes()});
    }
  }
  file.commit();
}

}  // namespace fathom::checkpoint
