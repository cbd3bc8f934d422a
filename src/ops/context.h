#pragma once
// Everything an op needs to know that is not its inputs. Nothing is global or thread-local: precision, threads, memory
// and observation are settings of the context, not copies of the model.

#include <memory>
#include <string>

#include "base/thread_team.h"
#include "kernels/kernels.h"
#include "ops/tape.h"
#include "tensor/tensor.h"

namespace fathom::ops {

using kernels::Compute;

// The two equal ways to compute MLA (V2 report, section 2.1.2). They round differently, so serving pins one.
enum class MlaForm {
  kAbsorbed,  // W_UK goes into the query, W_UV into the output: attention over the latents themselves
  kExpanded,  // kv_b_proj makes keys and values of every head first
};

// Receives named activations; what it does with them is its own affair.
class Probe {
 public:
  virtual ~Probe() = default;
  // `value` may be overwritten after the call returns: copy what is to be kept.
  virtual void record(const std::string& name, const Tensor& value) = 0;
};

// The sequence-wise balance loss of all layers of a step.
struct BalanceLoss {
  double alpha = 0;  // its weight in the loss
  double loss = 0;   // the sum so far, without alpha
};

struct Context {
  ThreadTeam& team;
  CachingAllocator& allocator;
  const kernels::KernelTable& kernels;
  Compute compute = Compute::kF32;
  MlaForm mla_form = MlaForm::kAbsorbed;
  // While training: products with weights that are stored in FP8 read activations and gradients in FP8 too (ops/fp8.h).
  bool trains_in_fp8 = false;
  Probe* probe = nullptr;
  Tape* tape = nullptr;  // records how gradients go back; null: inference
  BalanceLoss* balance = nullptr;
  // With a tape: what normalisations and up-projections give is made again in the backward pass instead of being kept
  // (V3 report, section 3.2.3).
  bool recomputes = false;

  const kernels::MatmulKernels& matmul() const { return kernels.matmul[static_cast<int>(compute)]; }
  const kernels::RowwiseKernels& rowwise() const { return kernels.rowwise; }
  Tensor empty(Shape shape, DType dtype = DType::kF32) const {
    return Tensor::empty(allocator, std::move(shape), dtype);
  }
};

// Shows an activation to the context's probe, if there is one, under "layers.LAYER.what" (layer >= 0) or "what".
void observe(const Context& ctx, const char* what, int64_t layer, const Tensor& value);

// Rows that one member takes at a time in row-wise work, such that a share is worth the trip (about 16 KB).
int64_t row_grain(int64_t row_values);

}  // namespace fathom::ops
