#pragma once
// The tool `calculator`: {"expression"} to its value.

#include "assistant/tool.h"

namespace fathom::assistant {

class Calculator : public Tool {
 public:
  Calculator();
  std::string run(const json::Reader& arguments) override;
};

}  // namespace fathom::assistant
