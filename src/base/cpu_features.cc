#include "base/cpu_features.h"

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"

namespace fathom {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"plain", "avx2", "avx512", "avx512bf16", "amx"};

// Linux: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) grants the tile registers to the process.
bool request_amx() {
  constexpr long kArchReqXcompPerm = 0x1023;
  constexpr long kXfeatureXtiledata = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtiledata) == 0;
}

bool cpu_has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned kAmxBf16 = 1U << 22, kAmxTile = 1U << 24, kAmxInt8 = 1U << 25;
  return (d & kAmxBf16) != 0 && (d & kAmxTile) != 0 && (d & kAmxInt8) != 0;
}

// GCC and clang name the features alike but for avx512bf16, which clang 14's runtime lookup does not know.
bool cpu_has_avx512bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1U << 5)) != 0;
}

Isa detect() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::kPlain;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (!avx512) return Isa::kAvx2;
  const bool bf16 =
      cpu_has_avx512bf16() && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni") &&
      __builtin_cpu_supports("gfni");
  if (!bf16) return Isa::kAvx512;
  return cpu_has_amx() && request_amx() ? Isa::kAmx : Isa::kAvx512Bf16;
}

}  // namespace

std::string_view isa_name(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

Isa best_isa() {
  static const Isa best = detect();
  return best;
}

Isa chosen_isa() {
  const char* wanted = std::getenv("FATHOM_ISA");
  if (wanted == nullptr || *wanted == '\0') return best_isa();
  const auto* found = std::find(kNames.begin(), kNames.end(), std::string_view(wanted));
  if (found == kNames.end()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("unknown instruction set '{}'", wanted), "FATHOM_ISA",
                "one of plain, avx2, avx512, avx512bf16, amx");
  }
  return std::min(best_isa(), static_cast<Isa>(found - kNames.begin()));
}

}  // namespace fathom
