#include "train/snapshot.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "checkpoint/safetensors.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kUnfinished = "unfinished-";
constexpr const char* kModel = "/model.safetensors";
constexpr const char* kOptimizer = "/optimizer.safetensors";
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

void copy_tokenizer(const std::string& from, const std::string& to) {
  if (from.empty()) return;
  for (const char* name : {"/tokenizer.json", "/tokenizer_config.json"}) {
    if (fs::exists(from + name)) write_text(to + name, read_text_file(from + name));
  }
}

json::Value state_json(const RunState& state, int64_t optimizer_steps) {
  json::Array data;
  for (const SourcePosition& p : state.data) {
    data.push_back(json::Object{{"epoch", p.epoch}, {"index", p.index}, {"offset", p.offset}, {"tokens", p.tokens}});
  }
  return json::Object{
      {"step", state.step}, {"tokens", state.tokens}, {"optimizer_steps", optimizer_steps}, {"data", data}};
}

// Copies a tensor of the file over `to`.
void restore(const checkpoint::SafetensorsFile& file, const std::string& name, const Tensor& to) {
  const checkpoint::TensorEntry* entry = file.find(name);
  if (entry == nullptr) fail(ErrorCode::kInvalidData, file.path(), "has no tensor {}", name);
  if (entry->dtype != DType::kF32 || entry->shape != to.shape()) {
    fail(ErrorCode::kInvalidData, file.path(), "tensor {} is {} {}, expected F32 {}", name, dtype_name(entry->dtype),
         shape_text(entry->shape), shape_text(to.shape()));
  }
  std::memcpy(to.data_bytes(), entry->bytes.data(), to.bytes());
}

}  // namespace

std::optional<std::string> newest_snapshot(const std::string& out) {
  const std::vector<std::string> found = snapshots(out);
  return found.empty() ? std::nullopt : std::optional(found.back());
}

void write_snapshot(const std::string& out, const json::Value& config, const std::string& tokenizer,
                    const ParameterSet& parameters, const AdamW& optimizer, const RunState& state, int64_t keep) {
  const std::string name = fmt::format("{}{:08}", kPrefix, state.step);
  const std::string place = out + "/" + name;
  const std::string folder = out + "/" + std::string(kUnfinished) + name;
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) fail(ErrorCode::kIo, folder, "cannot create: {}", error.message());
  std::vector<std::pair<std::string, Tensor>> weights;
  std::vector<std::pair<std::string, Tensor>> moments;
  for (size_t i = 0; i < parameters.all().size(); ++i) {
    const Parameter& parameter = parameters.all()[i];
    weights.emplace_back(parameter.name, parameter.value);
    if (!parameter.is_trained()) continue;
    moments.emplace_back("first." + parameter.name, optimizer.first(i));
    moments.emplace_back("second." + parameter.name, optimizer.second(i));
  }
  try {
    checkpoint::write_safetensors(folder + kModel, weights);
    checkpoint::write_safetensors(folder + kOptimizer, moments);
    write_text(folder + "/config.json", json::dump(config));
    copy_tokenizer(tokenizer, folder);
    write_text(folder + kState, json::dump(state_json(state, optimizer.steps())));
  } catch (const Error&) {
    fs::remove_all(folder, error);
    throw;
  }
  fs::remove_all(place, error);
  fs::rename(folder, place, error);
  if (error) fail(ErrorCode::kIo, place, "cannot move the snapshot into place: {}", error.message());
  const std::vector<std::string> found = snapshots(out);
  for (size_t i = 0; i + static_cast<size_t>(keep) < found.size(); ++i) fs::remove_all(found[i], error);
}

RunState read_snapshot(const std::string& folder, ParameterSet& parameters, AdamW& optimizer) {
  const auto weights = checkpoint::SafetensorsFile::open(folder + kModel);
  const auto moments = checkpoint::SafetensorsFile::open(folder + kOptimizer);
  for (size_t i = 0; i < parameters.all().size(); ++i) {
    const Parameter& parameter = parameters.all()[i];
    restore(*weights, parameter.name, parameter.value);
    if (!parameter.is_trained()) continue;
    restore(*moments, "first." + parameter.name, optimizer.first(i));
    restore(*moments, "second." + parameter.name, optimizer.second(i));
  }
  const json::Value value = json::parse_file(folder + kState);
  const json::Reader json(value, folder + kState);
  RunState state;
  state.step = json.get("step").as_int(0);
  state.tokens = json.get("tokens").as_int(0);
  optimizer.set_steps(json.get("optimizer_steps").as_int(0));
  for (const json::Reader& p : json.get("data").items()) {
    state.data.push_back({.epoch = p.get("epoch").as_int(0),
                          .index = p.get("index").as_int(0),
                          .offset = p.get("offset").as_int(0),
                          .tokens = p.get("tokens").as_int(0)});
  }
  return state;
}

}  // namespace fathom::train
