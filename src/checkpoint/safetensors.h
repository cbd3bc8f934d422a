#pragma once
// The safetensors format: eight bytes of header length, a JSON header that names tensors and their places, the values.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/tensor.h"

namespace fathom::checkpoint {

struct TensorEntry {
  std::string name;
  DType dtype;
  Shape shape;
  std::span<const std::byte> bytes;  // in the file
};

class SafetensorsFile {
 public:
  // Maps the file and reads its header; values are read as they are touched. Throws Error naming file and tensor for a
  // header that is truncated, too long, no JSON, or whose tensors lie outside of the file, overlap, leave holes, are
  // named twice, or do not have the bytes that their shape asks for.
  static std::shared_ptr<const SafetensorsFile> open(const std::string& path);
  // The same of bytes in memory, which must outlive the result.
  static std::shared_ptr<const SafetensorsFile> parse(std::span<const std::byte> bytes, const std::string& where);

  const std::string& path() const { return path_; }
  // In the order of their names.
  const std::vector<TensorEntry>& tensors() const { return tensors_; }
  // Null when there is none of that name.
  const TensorEntry* find(const std::string& name) const;

 private:
  SafetensorsFile(std::string path, std::shared_ptr<const MappedFile> file, std::span<const std::byte> bytes);

  std::string path_;
  std::shared_ptr<const MappedFile> file_;
  std::vector<TensorEntry> tensors_;
};

// A vector of token ids: I32 or I64 [S]. Throws Error for another shape or type, or ids past 31 bits.
std::vector<int32_t> read_ids(const SafetensorsFile& file, const std::string& name);
// The same of a matrix [rows, S].
std::vector<std::vector<int32_t>> read_id_rows(const SafetensorsFile& file, const std::string& name);

// A copy of a tensor, F32 and I32 as they are, BF16 and F16 widened.
Tensor read_tensor(const SafetensorsFile& file, const TensorEntry& entry);

// Writes tensors in the given order; the file appears whole or not at all.
void write_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors);

}  // namespace fathom::checkpoint
