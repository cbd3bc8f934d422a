#pragma once
// Learning rates as data: phases one behind the other.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::train {

enum class PhaseShape { kConstant, kLinear, kCosine };

struct Phase {
  PhaseShape shape = PhaseShape::kConstant;
  double share = 1;  // of the run's steps
  double from = 1;   // factors of the peak learning rate at its begin and end
  double to = 1;
};

// What Schedule::named knows.
inline constexpr std::array<std::string_view, 5> kScheduleNames = {"v3", "wsd", "cosine", "linear", "constant"};

class Schedule {
 public:
  // Shares are taken relative to their sum. Throws Error(kInvalidArgument) for no phase or a share that is not
  // positive.
  Schedule(std::vector<Phase> phases, int64_t steps);

  // By name, `warmup` being the first steps' linear rise from zero:
  //   v3: constant, cosine to a tenth, two constant tails of a tenth and a thirtieth (V3 report, section 4.2)
  //   wsd: constant, then linear to zero over the last fifth
  //   cosine: to a tenth;  linear: to zero;  constant
  // Throws Error(kInvalidArgument) for another name.
  static Schedule named(const std::string& name, int64_t warmup, int64_t steps);

  // Factor of the peak learning rate at `step` in [0, steps); behind the end that of the last step.
  double factor(int64_t step) const;

 private:
  std::vector<Phase> phases_;
  double steps_;
};

}  // namespace fathom::train
