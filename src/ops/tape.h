#pragma once
// Reverse-mode differentiation. While a context carries a tape, an op that computes also writes down how its gradient
// goes back; backward() walks the list from its end. Parameters are known by their address, what ops computed by its
// storage, whose memory may be freed before the tape is walked. A loss adds the gradient of its inputs to the tape at
// once (cross_entropy.h): it is the end of the list.

#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tensor/tensor.h"

namespace fathom::ops {

struct Context;
class Tape;

using StorageName = std::weak_ptr<const std::byte>;
template <typename Value>
using ByStorage = std::map<StorageName, Value, std::owner_less<StorageName>>;

// Values that were given up to be made again (Tape::give_up).
struct Remade {
  std::function<Tensor(const Context&)> make;
  Tensor made;  // undefined until first asked for
};

// What a step of the tape remembers of a tensor.
class Saved {
 public:
  Saved() = default;

  bool defined() const { return address_ != nullptr; }
  const Shape& shape() const { return shape_; }
  bool is_given_up() const { return remade_ != nullptr; }
  // Its values, made again if they were given up. Not for what Tape::name returned.
  Tensor values(const Context& ctx) const;

 private:
  friend class Tape;
  explicit Saved(const Tensor& x) : address_(x.data_bytes()), storage_(x.storage()), shape_(x.shape()) {}

  const void* address_ = nullptr;
  StorageName storage_;
  Shape shape_;
  Tensor values_;
  std::shared_ptr<Remade> remade_;
};

class Tape {
 public:
  // `gradient` is that of the op's output. The context is the one of backward(), without a tape.
  using Backward = std::function<void(const Context& ctx, Tape& tape, const Tensor& gradient)>;

  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // Parameters: gradients of the values at `values` are added to `gradient`, F32 of the same count.
  void watch(const void* values, Tensor gradient);
  // Whether anything asks for the gradient of these values.
  bool tracks(const Tensor& x) const { return tracks(Saved(x)); }
  bool tracks(const Saved& x) const { return x.defined() && (watches(x.address_) || gradients_.contains(x.storage_)); }
  bool tracks(const Weight& w) const { return watches(w.view.data); }

  // For steps that go back to the values of x, or to its gradient alone.
  Saved save(const Tensor& x) const;
  Saved name(const Tensor& x) const { return Saved(x); }
  // Activation checkpointing: save() will not keep the values of `output`, an op's; in the backward pass `make` makes
  // them when they are first asked for, and they are let go when the op's own step is passed.
  void give_up(const Tensor& output, std::function<Tensor(const Context&)> make);

  // What backward functions add to: zeros at first, of x's shape. x must be tracked.
  Tensor gradient(const Context& ctx, const Saved& x);
  Tensor gradient(const Context& ctx, const Tensor& x) { return gradient(ctx, Saved(x)); }
  // The same of a watched matrix.
  Tensor gradient(const Weight& w);

  // `output` was computed from tracked values and may not be overwritten any more.
  void record(const Tensor& output, Backward backward);

  // Calls what was recorded, last first, and forgets it; the memory of each step is freed as it is passed. An output
  // that nothing was computed from is passed over.
  void backward(const Context& ctx);

 private:
  bool watches(const void* values) const { return parameters_.contains(values); }

  struct Step {
    StorageName output;
    Backward backward;
  };

  std::vector<Step> steps_;
  std::unordered_map<const void*, Tensor> parameters_;
  ByStorage<Tensor> gradients_;  // undefined until first asked for
  ByStorage<std::shared_ptr<Remade>> given_up_;
};

}  // namespace fathom::ops
