#!/usr/bin/env bash
# Fails, and names the files, when clang-format would change one.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.h' '*.cc' | xargs clang-format --dry-run -Werror
