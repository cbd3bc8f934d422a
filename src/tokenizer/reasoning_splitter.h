#pragma once
// What a model thought, and what it said: streamed text parted at <think> and </think>.

#include <string>
#include <string_view>

namespace fathom::tokenizer {

class ReasoningSplitter {
 public:
  // `is_inside`: the prompt ended in <think>. Otherwise reasoning begins only if the answer opens with <think>, blank
  // characters aside.
  explicit ReasoningSplitter(bool is_inside) : state_(is_inside ? State::kReasoning : State::kStart) {}

  struct Parts {
    std::string reasoning;
    std::string content;
  };
  // What became certain with the next piece. The tags themselves, and line feeds behind </think>, are in neither part.
  Parts push(std::string_view piece);
  // The rest, when no more text comes.
  Parts finish();

 private:
  enum class State { kStart, kReasoning, kAfter, kContent };

  // Takes what it can from held_; whether to call again.
  bool step(Parts& out, bool is_last);

  State state_;
  std::string held_;
};

}  // namespace fathom::tokenizer
