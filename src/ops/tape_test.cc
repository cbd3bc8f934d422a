#include "ops/tape.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/test_support.h"

namespace fathom::ops {
namespace {

TEST(Tape, ForgetsWhatNothingWasComputedFrom) {
  Machine machine({Isa::kPlain, Compute::kF32});
  const Tensor a = random_tensor({2, 3}, 70);
  const Tensor gradient = Tensor::zeros({2, 3});
  Tape tape;
  tape.watch(a.data_bytes(), gradient);
  machine.ctx.tape = &tape;
  const Tensor used = add(machine.ctx, a, a);
  const Tensor unused = add(machine.ctx, a, used);
  std::fill_n(tape.gradient(machine.ctx, used).f32(), 6, 1.0F);
  tape.backward(machine.ctx);
  for (int64_t i = 0; i < 6; ++i) EXPECT_EQ(gradient.f32()[i], 2.0F);
  EXPECT_FALSE(tape.tracks(unused));
}

// A normalisation, an up-projection and a product behind them.
class RecomputeTest : public testing::Test {
 protected:
  static Weight weight_of(const Tensor& x) {
    return {.view = {.data = x.data_bytes(), .dtype = DType::kF32, .rows = x.dim(0), .cols = x.dim(1)},
            .owner = std::make_shared<Tensor>(x)};
  }

  struct Result {
    std::vector<Tensor> gradients;
    bool is_freed;  // whether the normalised rows and the up-projected ones were let go before the backward pass
  };

  Result run(bool recomputes) {
    Machine machine({best_isa(), Compute::kF32}, 2);
    Result out;
    Tape tape;
    for (const Tensor& x : {x_, norm_, up_, down_}) {
      out.gradients.push_back(Tensor::zeros(x.shape()));
      tape.watch(x.data_bytes(), out.gradients.back());
    }
    machine.ctx.tape = &tape;
    machine.ctx.recomputes = recomputes;
    Tensor normed = rms_norm(machine.ctx, x_, norm_, 1e-6);
    Tensor wide = up_projection(machine.ctx, normed, weight_of(up_));
    const Tensor y = linear(machine.ctx, wide, weight_of(down_));
    const StorageName names[] = {normed.storage(), wide.storage()};
    normed = Tensor();
    wide = Tensor();
    out.is_freed = names[0].expired() && names[1].expired();
    std::copy_n(d_.f32(), d_.count(), tape.gradient(machine.ctx, y).f32());
    tape.backward(machine.ctx);
    return out;
  }

  const Tensor x_ = random_tensor({9, 24}, 1);
  const Tensor norm_ = random_tensor({24}, 2);
  const Tensor up_ = random_tensor({40, 24}, 3);
  const Tensor down_ = random_tensor({8, 40}, 4);
  const Tensor d_ = random_tensor({9, 8}, 5);
};

TEST_F(RecomputeTest, GivesValuesUpAndMakesTheSameGradients) {
  const Result kept = run(false);
  const Result again = run(true);
  EXPECT_FALSE(kept.is_freed);
  EXPECT_TRUE(again.is_freed);
  for (size_t i = 0; i < kept.gradients.size(); ++i) {
    for (int64_t j = 0; j < kept.gradients[i].count(); ++j) {
      ASSERT_NE(kept.gradients[i].f32()[j], 0.0F);
      ASSERT_EQ(kept.gradients[i].f32()[j], again.gradients[i].f32()[j]) << i << ", " << j;
    }
  }
}

}  // namespace
}  // namespace fathom::ops
