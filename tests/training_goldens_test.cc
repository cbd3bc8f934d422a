// The training goldens: losses, every gradient, parameters after three AdamW steps, at the tolerance of
// tests/goldens/README.md.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "engine/loaded_model.h"
#include "train/inspect_train.h"

namespace fathom {
namespace {

constexpr double kLossTolerance = 1e-5;      // relative
constexpr double kGradientTolerance = 1e-4;  // of a tensor's largest entry
constexpr double kAfterTolerance = 1e-6;     // of 99 % of all parameters
constexpr double kAfterLimit = 3e-3;         // of all

std::string golden_folder() {
  const std::string shared = "../shared/goldens/v3";
  return std::filesystem::exists(shared) ? shared : "tests/goldens/v3";
}

class TrainingGoldens : public testing::TestWithParam<int> {};

TEST_P(TrainingGoldens, HoldAtTheirTolerance) {
  const std::string folder = golden_folder();
  const auto golden = checkpoint::SafetensorsFile::open(folder + "/training.safetensors");
  const json::Value value = json::parse_file(folder + "/training.json");
  const json::Reader json(value, "training.json");
  const auto settings = train::InspectTrainSettings::read(json);
  std::vector<std::vector<std::vector<int32_t>>> batches;
  for (int64_t step = 0; step < settings.steps; ++step) {
    batches.push_back(checkpoint::read_id_rows(*golden, "step" + std::to_string(step) + ".tokens"));
  }
  engine::LoadedModel model(folder, {.compute = ops::Compute::kF32, .threads = GetParam()});
  std::map<std::string, Tensor> out;
  for (auto& [name, tensor] : train::inspect_train(model.transformer(), model.context(), batches, settings)) {
    out[name] = tensor;
  }

  const auto losses = json.get("loss").items();
  const auto norms = json.get("grad_norm").items();
  for (size_t step = 0; step < batches.size(); ++step) {
    EXPECT_NEAR(out["loss"].f32()[step], losses[step].as_double(), kLossTolerance * losses[step].as_double());
    EXPECT_NEAR(out["grad_norm"].f32()[step], norms[step].as_double(), kGradientTolerance * norms[step].as_double());
  }
  EXPECT_NEAR(out["sequence_balance_loss_without_alpha"].f32()[0],
              json.get("sequence_balance_loss_without_alpha").as_double(), 1e-5);

  int64_t values = 0;
  int64_t off = 0;
  for (const auto& entry : golden->tensors()) {
    if (entry.name.ends_with(".tokens")) continue;
    ASSERT_TRUE(out.contains(entry.name)) << entry.name;
    const Tensor expected = checkpoint::read_tensor(*golden, entry);
    const Tensor& got = out[entry.name];
    ASSERT_EQ(got.shape(), expected.shape()) << entry.name;
    if (expected.dtype() == DType::kI32) {
      for (int64_t i = 0; i < got.count(); ++i) EXPECT_EQ(got.i32()[i], expected.i32()[i]) << entry.name;
      continue;
    }
    double most = 0;
    double worst = 0;
    for (int64_t i = 0; i < got.count(); ++i) {
      const double difference = std::fabs(static_cast<double>(got.f32()[i]) - expected.f32()[i]);
      ASSERT_FALSE(std::isnan(difference)) << entry.name;
      most = std::max(most, std::fabs(static_cast<double>(expected.f32()[i])));
      worst = std::max(worst, difference);
      off += entry.name.starts_with("after.") && difference > kAfterTolerance ? 1 : 0;
    }
    if (entry.name.starts_with("grad.")) {
      EXPECT_LE(worst, kGradientTolerance * most) << entry.name;
    } else {
      EXPECT_LE(worst, kAfterLimit) << entry.name;
      values += got.count();
    }
  }
  EXPECT_GT(values, 0);
  EXPECT_LE(static_cast<double>(off), 0.01 * static_cast<double>(values));
}

INSTANTIATE_TEST_SUITE_P(Threads, TrainingGoldens, testing::Values(1, 2));

}  // namespace
}  // namespace fathom
