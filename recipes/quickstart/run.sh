#!/bin/sh
# From text to a model that writes, in about five minutes on two cores; all of it goes to build/quickstart.
# Interrupted, it goes on where it was; `rm -r build/quickstart` begins anew. FATHOM=PROGRAM takes another program.
set -eu
cd "$(dirname "$0")/../.."
fathom=${FATHOM:-build/release/fathom}
corpus=recipes/quickstart/corpus
out=build/quickstart
mkdir -p "$out"

show() { # Says what is run, and runs it.
  printf '\n$ fathom'
  for word; do case $word in *[!A-Za-z0-9_./=:-]*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac; done
  printf '\n'
  "$fathom" "$@"
}

# A tokenizer that knows this text's words.
[ -f "$out/tokenizer/tokenizer.json" ] ||
  show tokenizer train "$corpus/train.jsonl" --vocab-size 4096 --split-digits --out "$out/tokenizer"

# The text as token ids, a shard for each source, so that the recipe can weigh them.
for source in standardebooks wordnet tldr; do
  [ -f "$out/data/$source/train.tokens" ] ||
    show data "$corpus/train.jsonl" --where "source=$source" --tokenizer "$out/tokenizer" --out "$out/data/$source"
done
[ -f "$out/data/heldout/train.tokens" ] ||
  show data "$corpus/heldout.jsonl" --tokenizer "$out/tokenizer" --out "$out/data/heldout"

# The run, with its live view. Control-C saves it.
show train recipes/quickstart/train.toml
model=$(ls -d "$out"/run/step-* | tail -n 1)

# How well it foresees text that it has not seen, and what it writes behind beginnings that it has not seen either.
show eval --model "$model" --shard "$out/data/heldout/train.tokens"
for prompt in "The Wolf and the Crow" "courage (noun):" "# git"; do
  show generate --model "$model" --prompt "$prompt" --max-tokens 100 --temperature 0.7 --top-p 0.9 --seed 7
done
