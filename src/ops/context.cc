#include "ops/context.h"

#include <fmt/format.h>

#include <algorithm>

namespace fathom::ops {

void observe(const Context& ctx, const char* what, int64_t layer, const Tensor& value) {
  if (ctx.probe == nullptr) return;
  ctx.probe->record(layer >= 0 ? fmt::format("layers.{}.{}", layer, what) : std::string(what), value);
}

int64_t row_grain(int64_t row_values) { return std::max<int64_t>(1, 4096 / std::max<int64_t>(1, row_values)); }

}  // namespace fathom::ops
