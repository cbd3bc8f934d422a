#pragma once
// A function that the model may call while it answers.

#include <string>
#include <string_view>

#include "base/json.h"
#include "tokenizer/chat.h"

namespace fathom::assistant {

class Tool {
 public:
  virtual ~Tool() = default;
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;

  // What the prompt says of it, as it stood in the prompts that the model was trained with.
  const tokenizer::Tool& declaration() const { return declaration_; }
  const std::string& name() const { return declaration_.name; }

  // The answer to a call, to be read by the model. `arguments` is an object with every required member, each of its
  // declared type. What does not work out is a text that says so; an Error is taken for one too.
  virtual std::string run(const json::Reader& arguments) = 0;

 protected:
  // `function`: {"name", "description", "parameters"} as JSON text.
  explicit Tool(std::string_view function);

 private:
  tokenizer::Tool declaration_;
};

}  // namespace fathom::assistant
