#!/bin/sh
# How often a number is found again, by the length of the text and its place in it, before and after the stretch.
set -eu
fathom=${FATHOM:-build/release/fathom}
for step in 00000900 00001050 00001200; do
  for tokens in 250 500 1000 2000; do
    echo "step $step, $tokens tokens"
    "$fathom" eval --model "build/runs/needle/step-$step" --tasks "build/needle/$tokens.tasks.jsonl" --max-tokens 6 \
      --context 4096 | grep -v '^kind'
  done
done
