#pragma once
// The tool `lookup_command`: {"name"} of a program, or of a program and its subcommand, to its page of examples.

#include "assistant/page_index.h"
#include "assistant/tool.h"

namespace fathom::assistant {

class LookupCommand : public Tool {
 public:
  explicit LookupCommand(PageIndex pages);
  // The page as it is, or "no page for 'tarr'; pages with similar names: tar".
  std::string run(const json::Reader& arguments) override;

 private:
  PageIndex pages_;
};

}  // namespace fathom::assistant
