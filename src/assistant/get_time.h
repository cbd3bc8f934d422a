#pragma once
// The tool `get_time`: {"city"} to the time there, "HH:MM".

#include <cstdint>
#include <functional>
#include <string>

#include "assistant/tool.h"

namespace fathom::assistant {

class GetTime : public Tool {
 public:
  // `clock` gives seconds since 1970 in UTC; `folder` holds tzdata.zi and the compiled zones of Debian's tzdata.
  explicit GetTime(std::function<int64_t()> clock, std::string folder = "/usr/share/zoneinfo");
  // With the system's clock.
  GetTime();

  // "no time zone is known for 'Atlantis'" where the name is neither a zone's nor one of the table.
  std::string run(const json::Reader& arguments) override;

 private:
  std::function<int64_t()> clock_;
  std::string folder_;
};

}  // namespace fathom::assistant
