#include "train/snapshot.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/tokenizer_files.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kUnfinished = "unfinished-";
constexpr const char* kModel = "/model.safetensors";
constexpr const char* kOptimizer = "/optimizer.safetensors";
constexpr const char* kAdapters = "/adapter_model.safetensors";
const std::string kAdapterPrefix = "base_model.model.";
constexpr const char* kState = "/state.json";

void write_text(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

// Finished snapshots, oldest first.
std::vector<std::string> snapshots(const std::string& out) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(out, error)) {
    if (entry.is_directory() && entry.path().filename().string().starts_with(kPrefix)) {
      found.push_back(entry.path().string());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// What killed processes left.
void remove_unfinished(const std::string& out) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(out, error)) {
    if (entry.path().filename().string().starts_with(kUnfinished)) found.push_back(entry.path());
  }
  for (const fs::path& path : found) fs::remove_all(path, error);
}

// Names that were moved in a folder are on disk from here on.
void sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool is_synced = fd >= 0 && (::fsync(fd) == 0 || errno == EINVAL);  // EINVAL: this file system has no need
  const int reason = errno;
  if (fd >= 0) ::close(fd);
  if (!is_synced) fail(ErrorCode::kIo, path, "cannot sync: {}", std::strerror(reason));
}

json::Value state_json(const RunState& state, int64_t optimizer_steps) {
  json::Array data;
  for (const SourcePosition& p : state.data) {
    data.push_back(json::Object{
        {"epoch", p.epoch}, {"index", p.index}, {"offset", p.offset}, {"tokens", p.tokens}, {"since", p.since}});
  }
  const json::Object watch = {
      {"mean", state.watch.mean}, {"variance", state.watch.variance}, {"seen", state.watch.seen}};
  return json::Object{{"step", state.step},
                      {"tokens", state.tokens},
                      {"optimizer_steps", optimizer_steps},
                      {"loss_watch", watch},
                      {"data", data}};
}

// As the PEFT library names and describes them.
void write_adapters(const std::string& folder, const Lora& lora) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const Parameter& adapter : lora.parameters()) tensors.emplace_back(kAdapterPrefix + adapter.name, adapter.value);
  checkpoint::write_safetensors(folder + kAdapters, tensors);
  json::Array modules;
  for (size_t i = 0; i < lora.parameters().size(); i += 2) {
    const std::string& name = lora.parameters()[i].name;
    modules.emplace_back(name.substr(0, name.rfind(".lora_A")));
  }
  write_text(folder + "/adapter_config.json", json::dump(json::Object{{"peft_type", "LORA"},
                                                                      {"r", lora.params().rank},
                                                                      {"lora_alpha", lora.params().alpha},
                                                                      {"target_modules", modules}}));
}

// Copies a tensor of the file over `to`.
void restore(const checkpoint::SafetensorsFile& file, const std::string& name, const Tensor& to) {
  const checkpoint::TensorEntry* entry = file.find(name);
  if (entry == nullptr) fail(ErrorCode::kInvalidData, file.path(), "has no tensor {}", name);
  if (entry->dtype != to.dtype() || entry->shape != to.shape()) {
    fail(ErrorCode::kInvalidData, file.path(), "tensor {} is {} {}, expected {} {}", name, dtype_name(entry->dtype),
         shape_text(entry->shape), dtype_name(to.dtype()), shape_text(to.shape()));
  }
  std::memcpy(to.data_bytes(), entry->bytes.data(), to.bytes());
}

}  // namespace

std::optional<std::string> newest_snapshot(const std::string& out) {
  const std::vector<std::string> found = snapshots(out);
  return found.empty() ? std::nullopt : std::optional(found.back());
}

void write_snapshot(const std::string& out, const json::Value& config, const std::string& tokenizer,
                    const ParameterSet& parameters, const Lora* lora, const Optimizer& optimizer, const RunState& state,
                    int64_t keep) {
  const std::string name = fmt::format("{}{:08}", kPrefix, state.step);
  const std::string place = out + "/" + name;
  const std::string folder = out + "/" + std::string(kUnfinished) + name;
  std::error_code error;
  remove_unfinished(out);
  fs::create_directories(folder, error);
  if (error) fail(ErrorCode::kIo, folder, "cannot create: {}", error.message());
  std::vector<std::pair<std::string, Tensor>> weights;
  for (const Parameter& parameter : parameters.all()) weights.emplace_back(parameter.name, parameter.value);
  try {
    checkpoint::write_safetensors(folder + kModel, weights);
    checkpoint::write_safetensors(folder + kOptimizer, optimizer.state());
    if (lora != nullptr) write_adapters(folder, *lora);
    write_text(folder + "/config.json", json::dump(config));
    checkpoint::copy_tokenizer_files(tokenizer, folder);
    write_text(folder + kState, json::dump(state_json(state, optimizer.steps())));
  } catch (const Error&) {
    fs::remove_all(folder, error);
    throw;
  }
  fs::remove_all(place, error);
  fs::rename(folder, place, error);
  if (error) fail(ErrorCode::kIo, place, "cannot move the snapshot into place: {}", error.message());
  // Before older ones go.
  sync_folder(out);
  const std::vector<std::string> found = snapshots(out);
  for (size_t i = 0; i + static_cast<size_t>(keep) < found.size(); ++i) fs::remove_all(found[i], error);
}

RunState read_snapshot(const std::string& folder, ParameterSet& parameters, const Lora* lora, Optimizer& optimizer) {
  const auto weights = checkpoint::SafetensorsFile::open(folder + kModel);
  const auto moments = checkpoint::SafetensorsFile::open(folder + kOptimizer);
  for (const Parameter& parameter : parameters.all()) restore(*weights, parameter.name, parameter.value);
  for (const auto& [name, tensor] : optimizer.state()) restore(*moments, name, tensor);
  if (lora != nullptr) {
    const auto adapters = checkpoint::SafetensorsFile::open(folder + kAdapters);
    for (const Parameter& adapter : lora->parameters())
      restore(*adapters, kAdapterPrefix + adapter.name, adapter.value);
  }
  const json::Value value = json::parse_file(folder + kState);
  const json::Reader json(value, folder + kState);
  RunState state;
  state.step = json.get("step").as_int(0);
  state.tokens = json.get("tokens").as_int(0);
  optimizer.set_steps(json.get("optimizer_steps").as_int(0));
  const json::Reader watch = json.get("loss_watch");
  state.watch = {.mean = watch.get("mean").as_double(),
                 .variance = watch.get("variance").as_double(),
                 .seen = watch.get("seen").as_int(0)};
  for (const json::Reader& p : json.get("data").items()) {
    state.data.push_back({.epoch = p.get("epoch").as_int(0),
                          .index = p.get("index").as_int(0),
                          .offset = p.get("offset").as_int(0),
                          .tokens = p.get("tokens").as_int(0),
                          .since = p.get("since").as_int(0)});
  }
  return state;
}

}  // namespace fathom::train
