#!/usr/bin/env bash
# Holds the schema compiler against the JSON Schema Test Suite, which npm delivers: tests/json_schema_suite.sh
# Needs a network and npm; does nothing, and says so, without them. Fails where an invalid instance is accepted.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v npm >/dev/null || { echo "skipped: no npm"; exit 0; }
build=${BUILD:-build/release}
cmake --build "$build" --target fathom_json_schema_suite >/dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm pack --silent json-schema-test-suite >/dev/null && tar xzf ./*.tgz) ||
  { echo "skipped: the suite cannot be fetched"; exit 0; }
draft=$(find "$folder" -type d -name "${DRAFT:-draft4}" | grep -v remotes | head -1)
files=()
# Keywords that the compiler holds to.
for keyword in type enum const properties required additionalProperties items prefixItems additionalItems minItems \
  maxItems minLength maxLength pattern minimum maximum exclusiveMinimum exclusiveMaximum anyOf allOf oneOf ref defs \
  definitions boolean_schema default; do
  [[ -f "$draft/$keyword.json" ]] && files+=("$draft/$keyword.json")
done
"$build/fathom_json_schema_suite" "${files[@]}"
