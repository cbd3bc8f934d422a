// Checkpoints that are incomplete or contradict themselves: each is refused with the file, the tensor and the remedy.

#include "checkpoint/checkpoint.h"

#include "base/json.h"
#include "base/mapped_file.h"
#include "checkpoint/test_support.h"
#include "checkpoint/tokenizer_files.h"
#include "model/transformer.h"

namespace fathom::checkpoint {
namespace {

constexpr const char* kIndex = "model.safetensors.index.json";

// V2-Lite in small: one dense layer and one of experts.
json::Object small_config() {
  return json::parse(R"({
    "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "vocab_size": 11, "hidden_size": 8,
    "num_hidden_layers": 2, "max_position_embeddings": 64, "num_attention_heads": 2, "kv_lora_rank": 4,
    "qk_nope_head_dim": 4, "qk_rope_head_dim": 2, "v_head_dim": 3, "intermediate_size": 200, "n_routed_experts": 2,
    "first_k_dense_replace": 1, "moe_intermediate_size": 5, "num_experts_per_tok": 1})",
                     "config")
      .as_object();
}

struct Stored {
  std::string name;
  std::string dtype;
  Shape shape;
};

// Lists what a model wants, all of it F32.
class Lister : public model::ParameterVisitor {
 public:
  void matrix(const std::string& name, Weight&, int64_t rows, int64_t cols) override {
    stored.push_back({name, "F32", {rows, cols}});
  }
  void vector(const std::string& name, Tensor&, int64_t n) override { stored.push_back({name, "F32", {n}}); }
  std::vector<Stored> stored;
};

std::string shard_bytes(const std::vector<Stored>& tensors) {
  json::Object header;
  size_t at = 0;
  for (const Stored& tensor : tensors) {
    const size_t bytes = static_cast<size_t>(element_count(tensor.shape)) * dtype_bytes(*dtype_from_name(tensor.dtype));
    header[tensor.name] = json::Object{{"dtype", tensor.dtype},
                                       {"shape", json::Array(tensor.shape.begin(), tensor.shape.end())},
                                       {"data_offsets", json::Array{at, at + bytes}}};
    at += bytes;
  }
  return safetensors_bytes(json::dump(header), at);
}

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() : config(small_config()) {
    model::Transformer transformer(model::read_config(json::Reader(json::Value(config), "config")));
    Lister lister;
    transformer.visit(lister);
    tensors = lister.stored;
  }

  Stored& tensor(const std::string& name) {
    for (Stored& t : tensors) {
      if (t.name == name) return t;
    }
    throw Error(ErrorCode::kNotFound, "no such tensor", name);
  }
  void remove(const std::string& name) {
    std::erase_if(tensors, [&](const Stored& t) { return t.name == name; });
  }

  // Two shards, the first of `first` tensors, and their index.
  void write(size_t first = 5) {
    folder.put("config.json", json::dump(config));
    const auto middle = tensors.begin() + static_cast<int64_t>(first);
    folder.put("one.safetensors", shard_bytes({tensors.begin(), middle}));
    folder.put("two.safetensors", shard_bytes({middle, tensors.end()}));
    json::Object map;
    for (size_t i = 0; i < tensors.size(); ++i) {
      map[tensors[i].name] = i < first ? "one.safetensors" : "two.safetensors";
    }
    folder.put(kIndex, json::dump(json::Object{{"weight_map", map}}));
  }

  void load() const {
    const auto checkpoint = Checkpoint::open(folder.folder());
    model::Transformer transformer(checkpoint->config());
    WeightBinder binder(checkpoint);
    transformer.visit(binder);
  }
  void expect_refused(const std::vector<std::string>& says) const {
    expect_says(error_text([&] { load(); }), says);
  }

  TemporaryFolder folder;
  json::Object config;
  std::vector<Stored> tensors;
};

TEST_F(CheckpointTest, LoadsWithAndWithoutIndex) {
  write();
  load();
  const auto checkpoint = Checkpoint::open(folder.folder());
  EXPECT_EQ(checkpoint->shards().size(), 2U);
  EXPECT_EQ(checkpoint->find("lm_head.weight").entry->shape, (Shape{11, 8}));
  EXPECT_EQ(checkpoint->find("no").entry, nullptr);
  std::filesystem::remove(folder.path(kIndex));
  load();
}

// A training run keeps the optimizer's state and adapters beside the weights, under names that may be the same.
TEST_F(CheckpointTest, AModelFileStandsForItself) {
  folder.put("config.json", json::dump(config));
  folder.put("model.safetensors", shard_bytes(tensors));
  folder.put("optimizer.safetensors", shard_bytes(tensors));
  load();
  EXPECT_EQ(Checkpoint::open(folder.folder())->shards().size(), 1U);
}

TEST_F(CheckpointTest, RefusesAFolderThatIsNone) {
  expect_says(error_text([] { Checkpoint::open("/no/such/folder"); }), {"/no/such/folder", "is not a folder"});
  const std::string file = folder.put("file", "");
  expect_says(error_text([&] { Checkpoint::open(file); }), {file, "is not a folder"});
  expect_says(error_text([] { Checkpoint::open(""); }), {"is not a folder"});
}

TEST_F(CheckpointTest, RefusesAFolderWithoutConfigOrWeights) {
  expect_refused({folder.path("config.json"), "No such file"});
  folder.put("config.json", json::dump(config));
  expect_refused({folder.folder(), "holds no *.safetensors file"});
  folder.put("config.json", "");
  expect_refused({folder.path("config.json"), "not valid JSON"});
  folder.put("config.json", std::string(2 << 20, ' ') + "{}");
  expect_refused({folder.path("config.json"), "bytes, more than"});
}

TEST_F(CheckpointTest, RefusesAMissingOrTruncatedShard) {
  write();
  std::filesystem::resize_file(folder.path("two.safetensors"),
                               std::filesystem::file_size(folder.path("two.safetensors")) - 1);
  expect_refused({folder.path("two.safetensors"), "truncated"});
  std::filesystem::remove(folder.path("two.safetensors"));
  expect_refused({folder.path("two.safetensors"), "is missing", kIndex, "incomplete"});
  std::filesystem::create_directory(folder.path("two.safetensors"));
  expect_refused({folder.path("two.safetensors"), "is not a regular file"});
}

TEST_F(CheckpointTest, RefusesAnIndexThatLies) {
  write();
  const std::string one = shard_bytes({tensors.begin() + 1, tensors.begin() + 5});
  folder.put("one.safetensors", one);
  expect_refused({folder.path("one.safetensors"), "lacks tensor " + tensors[0].name, kIndex});
}

TEST_F(CheckpointTest, RefusesAMalformedIndex) {
  write();
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"", {"not valid JSON"}},
      {"[]", {"an array of 0", "expected an object with 'weight_map'"}},
      {"{}", {"lacks 'weight_map'"}},
      {R"({"weight_map":[]})", {"weight_map", "an array of 0", "expected an object"}},
      {R"({"weight_map":{}})", {"weight_map is empty"}},
      {R"({"weight_map":{"w":3}})", {"weight_map.w", "found 3", "expected a string"}},
      {R"({"weight_map":{"w":"../config.json"}})", {"weight_map.w", "same folder"}},
      {R"({"weight_map":{"w":"/etc/passwd"}})", {"weight_map.w", "same folder"}},
      {R"({"weight_map":{"w":".."}})", {"weight_map.w", "same folder"}},
      {R"({"weight_map":{"w":""}})", {"weight_map.w", "same folder"}},
      {R"({"weight_map":{"w":"a\u0000b"}})", {"weight_map.w", "same folder"}},
      {R"({"weight_map":{"w":"one.safetensors","w":"two.safetensors"}})", {"\"w\" twice"}},
  };
  for (const auto& [text, says] : cases) {
    auto all = says;
    all.push_back(folder.path(kIndex));
    folder.put(kIndex, text);
    expect_refused(all);
  }
}

TEST_F(CheckpointTest, RefusesATensorInTwoShards) {
  write();
  folder.put("two.safetensors", shard_bytes(tensors));
  expect_refused({folder.path("two.safetensors"), "holds tensor " + tensors[0].name, folder.path("one.safetensors")});
}

TEST_F(CheckpointTest, RefusesOtherModels) {
  config["model_type"] = "llama";
  write();
  expect_refused({folder.path("config.json"), "\"llama\"", "expected deepseek_v2"});
  config["model_type"] = "deepseek_v2";
  config["architectures"] = json::Array{"LlamaForCausalLM"};
  write();
  expect_refused({folder.path("config.json"), "architectures[0]", "LlamaForCausalLM", "DeepseekV3ForCausalLM"});
}

TEST_F(CheckpointTest, RefusesAConfigThatContradictsTheTensors) {
  config["hidden_size"] = 16;
  write();
  expect_refused({folder.path("one.safetensors"), "model.embed_tokens.weight", "[11, 8]", "[11, 16]"});
  config["hidden_size"] = 8;
  config["kv_lora_rank"] = 5;
  write();
  expect_refused({"model.layers.0.self_attn.kv_a_proj_with_mqa.weight", "[6, 8]", "[7, 8]"});
  config["kv_lora_rank"] = 4;
  config["n_routed_experts"] = 3;
  write();
  expect_refused({"model.layers.1.mlp.gate.weight", "[2, 8]", "[3, 8]"});
}

TEST_F(CheckpointTest, RefusesMissingTensors) {
  const std::string name = "model.layers.1.mlp.experts.1.down_proj.weight";
  remove(name);
  write();
  expect_refused({folder.folder(), name, "expected [8, 5]", "incomplete"});
}

TEST_F(CheckpointTest, RefusesTypesWithoutAKernel) {
  tensor("model.layers.0.mlp.up_proj.weight").dtype = "I32";
  write();
  expect_refused({"model.layers.0.mlp.up_proj.weight", "is I32", "expected F32, BF16, F16 or F8_E4M3"});
  tensor("model.layers.0.mlp.up_proj.weight").dtype = "F32";
  tensor("model.norm.weight").dtype = "I32";
  write();
  expect_refused({"model.norm.weight", "is I32", "expected F32, BF16 or F16"});
  tensor("model.norm.weight").dtype = "F8_E4M3";
  write();
  expect_refused({"model.norm.weight", "is F8_E4M3", "expected F32"});
}

TEST_F(CheckpointTest, RefusesFp8WithoutFittingScales) {
  const std::string name = "model.layers.0.mlp.up_proj.weight";  // [200, 8]: two blocks by one
  tensor(name).dtype = "F8_E4M3";
  write();
  expect_refused({folder.folder(), name + "_scale_inv", "expected [2, 1]"});
  tensors.push_back({name + "_scale_inv", "F32", {1, 1}});
  write();
  expect_refused({folder.path("two.safetensors"), name + "_scale_inv", "[1, 1]", "[2, 1]"});
  tensors.back() = {name + "_scale_inv", "I32", {2, 1}};
  write();
  expect_refused({name + "_scale_inv", "is I32", "expected F32"});
  tensors.back() = {name + "_scale_inv", "BF16", {2, 1}};
  write();
  load();
  tensors.back() = {name + "_scale_inv", "F32", {2, 1}};
  write();
  load();
}

TEST_F(CheckpointTest, RefusesOtherQuantisations) {
  config["quantization_config"] = json::Object{{"quant_method", "compressed-tensors"}};
  write();
  expect_refused({folder.path("config.json"), "quantization_config", "compressed-tensors", "fp8"});
}

TEST(CopyTokenizerFiles, CopiesWhatIsThere) {
  const TemporaryFolder from;
  const TemporaryFolder to;
  const std::vector<std::string> names = {"tiktoken.model", "tokenizer.json", "tokenizer_config.json",
                                          "chat_template.jinja", "generation_config.json"};
  copy_tokenizer_files("", to.folder());
  copy_tokenizer_files(from.folder(), to.folder());
  EXPECT_EQ(to.entries(), 0U);
  for (const std::string& name : names) from.put(name, "of " + name);
  from.put("config.json", "{}");
  std::filesystem::create_directories(from.path("encoding/more"));
  from.put("encoding/encoder.py", "x");
  copy_tokenizer_files(from.folder(), to.folder());
  EXPECT_EQ(to.entries(), names.size() + 1);
  for (const std::string& name : names) EXPECT_EQ(read_text_file(to.path(name)), "of " + name);
  EXPECT_EQ(read_text_file(to.path("encoding/encoder.py")), "x");
  // Onto itself: nothing is lost.
  copy_tokenizer_files(from.folder(), from.folder() + "/.");
  EXPECT_EQ(read_text_file(from.path("tokenizer.json")), "of tokenizer.json");
  expect_says(error_text([&] { copy_tokenizer_files(from.folder(), "/no/such/folder"); }), {"/no/such/folder"});
}

}  // namespace
}  // namespace fathom::checkpoint
