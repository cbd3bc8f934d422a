#!/bin/sh
# Texts with needles, from what recipes/helper/prepare.sh left in build/corpus.
set -eu
fathom=${FATHOM:-build/release/fathom}
mkdir -p build/needle
python3 recipes/needle/make_needles.py build/corpus/pretrain.train.jsonl build/needle
for name in short middle long; do
  "$fathom" data "build/needle/$name.jsonl" --tokenizer build/corpus/tok --out "build/needle/$name"
done
