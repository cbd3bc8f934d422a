#pragma once
// Tells losses that stand out from those before them.

#include <cstdint>

namespace fathom::train {

struct LossWatch {
  // Whether `loss` lies more than `factor` standard deviations above the running mean. Takes it into the mean unless it
  // does; tells nothing before it has seen enough.
  bool is_spike(double loss, double factor);

  double mean = 0;
  double variance = 0;
  int64_t seen = 0;
};

}  // namespace fathom::train
