#!/bin/sh
# The scores of docs/model-card.md.
#   recipes/helper/evaluate.sh MODEL OUT [LIMIT]   after prepare.sh JSONL_FOLDER OUT; LIMIT: most tasks of a kind
set -eu
model=$1 out=$2 limit=${3:-0}
fathom=${FATHOM:-build/release/fathom}
shards=""
for source in standardebooks wordnet tldr python javascript factbook; do
  shards="$shards --shard $out/d/heldout-$source/train.tokens"
done
# shellcheck disable=SC2086
"$fathom" eval --model "$model" $shards --context 1024
"$fathom" eval --model "$model" --tasks "$out/chat.heldout.jsonl" --limit "$limit" --max-tokens 400 --out "$out/answers.jsonl"
"$fathom" eval --model "$model" --tasks "$out/fim.heldout.jsonl" --max-tokens 48 --out "$out/answers.fim.jsonl"
