#!/usr/bin/env bash
# Runs one fuzz target for long: scripts/fuzz.sh safetensors 600. Findings land in build/fuzz/crash-*.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?usage: scripts/fuzz.sh NAME SECONDS}
seconds=${2:-600}
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target "${target}_fuzz"
mkdir -p "build/fuzz/found-$target"
cd build/fuzz
seeds="../../fuzz/corpus/$target"
[[ -d $seeds ]] || seeds=
exec "./${target}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
  "found-$target" ${seeds:+"$seeds"}
