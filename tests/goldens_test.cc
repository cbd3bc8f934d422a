// Every golden variant, in every way to run a prompt: numbers of the published reference at the tolerance written
// beside them (tests/goldens/README.md).

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/compare.h"
#include "engine/inspect_forward.h"
#include "engine/loaded_model.h"

namespace fathom {
namespace {

constexpr double kTolerance = 1e-4;  // of the standard deviation of the tensor

struct Way {
  std::string variant;
  int threads;
  int64_t chunk;  // 0: in one piece
  ops::MlaForm form;
};

std::vector<Way> all_ways() {
  std::vector<Way> ways;
  for (const char* variant : {"v2", "v2-lite", "v3", "v3-bf16", "v3-fp8", "v3-mtp", "v32-dsa"}) {
    for (const int threads : {1, 2}) {
      for (const int64_t chunk : {0, 7, 1}) ways.push_back({variant, threads, chunk, ops::MlaForm::kAbsorbed});
    }
    ways.push_back({variant, 2, 0, ops::MlaForm::kExpanded});
    ways.push_back({variant, 1, 5, ops::MlaForm::kExpanded});
  }
  return ways;
}

std::string golden_folder(const std::string& variant) {
  const std::string shared = "../shared/goldens/" + variant;
  return std::filesystem::exists(shared) ? shared : "tests/goldens/" + variant;
}

std::string temporary_file(const Way& way) {
  return (std::filesystem::temp_directory_path() /
          ("fathom-goldens-" + std::to_string(::getpid()) + "-" + way.variant + ".safetensors"))
      .string();
}

class Goldens : public testing::TestWithParam<Way> {};

TEST_P(Goldens, HoldAtTheirTolerance) {
  const Way& way = GetParam();
  const std::string folder = golden_folder(way.variant);
  engine::LoadedModel model(folder, {.compute = ops::Compute::kF32, .mla_form = way.form, .threads = way.threads});
  const auto golden = checkpoint::SafetensorsFile::open(folder + "/golden.safetensors");
  std::vector<std::pair<std::string, Tensor>> out;
  for (const std::string prompt : {"short", "long"}) {
    const auto tokens = checkpoint::read_ids(*golden, prompt + ".tokens");
    for (auto& [name, value] :
         engine::inspect_forward(model.transformer(), model.context(), tokens, {.chunk = way.chunk})) {
      out.emplace_back(prompt + "." + name, value);
    }
  }
  const std::string path = temporary_file(way);
  checkpoint::write_safetensors(path, out);
  const auto comparison = checkpoint::compare(*golden, *checkpoint::SafetensorsFile::open(path));
  std::filesystem::remove(path);

  EXPECT_TRUE(comparison.only_in_a.empty()) << comparison.only_in_a.front() << " is not computed";
  EXPECT_GE(comparison.both.size(), 26U);
  for (const auto& difference : comparison.both) {
    EXPECT_TRUE(difference.is_within(kTolerance))
        << difference.name << ": " << difference.problem << " relative " << difference.max_relative << ", "
        << difference.mismatches << " ids differ, at " << shape_text(difference.where);
  }
}

std::string way_name(const testing::TestParamInfo<Way>& info) {
  std::string name = info.param.variant + (info.param.form == ops::MlaForm::kAbsorbed ? "_absorbed" : "_expanded") +
                     "_threads" + std::to_string(info.param.threads) + "_chunk" + std::to_string(info.param.chunk);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(AllWays, Goldens, testing::ValuesIn(all_ways()), way_name);

// A token's bits must not depend on how its prompt was cut, nor on the number of threads: exact equality.
TEST(Determinism, SameBitsHoweverThePromptIsCut) {
  for (const char* variant : {"v3-fp8", "v3-mtp", "v32-dsa"}) {
    for (const auto compute : {ops::Compute::kF32, ops::Compute::kBF16}) {
      const std::string folder = golden_folder(variant);
      const auto golden = checkpoint::SafetensorsFile::open(folder + "/golden.safetensors");
      const auto tokens = checkpoint::read_ids(*golden, "long.tokens");
      std::map<std::string, Tensor> first;
      for (const int threads : {1, 2, 3}) {
        engine::LoadedModel model(folder, {.compute = compute, .threads = threads});
        for (const int64_t chunk : {0, 1, 13}) {
          const auto numbers = engine::inspect_forward(model.transformer(), model.context(), tokens, {.chunk = chunk});
          if (first.empty()) first = numbers;
          for (const char* name : {"logits", "greedy_logits", "final_norm"}) {
            const Tensor& a = first.at(name);
            const Tensor& b = numbers.at(name);
            ASSERT_EQ(a.shape(), b.shape());
            EXPECT_EQ(std::memcmp(a.f32(), b.f32(), a.bytes()), 0)
                << variant << " " << name << " threads " << threads << " chunk " << chunk;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace fathom
