#pragma once
// Where two files of numbers differ, and by how much.

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"

namespace fathom::checkpoint {

struct Difference {
  std::string name;
  std::string problem;      // another shape, NaN in one side only; empty: comparable
  bool is_integer = false;  // ids: mismatches are counted, nothing is measured
  int64_t mismatches = 0;
  double max_absolute = 0;
  double max_relative = 0;  // largest absolute difference over the standard deviation of a's tensor
  double rms = 0;
  Shape where;  // index of the largest difference

  bool is_within(double tolerance) const {
    return problem.empty() && mismatches == 0 && (is_integer || max_relative <= tolerance);
  }
};

struct Comparison {
  std::vector<Difference> both;
  std::vector<std::string> only_in_a;
  std::vector<std::string> only_in_b;
};

// Compares tensor by tensor. P.topk_ids are compared as sets row by row, and P.topk_weights by the id that they stand
// with, because the order of chosen experts means nothing.
Comparison compare(const SafetensorsFile& a, const SafetensorsFile& b);

}  // namespace fathom::checkpoint
