#!/bin/sh
# From the corpus's JSONL to a tokenizer and token shards:
#   recipes/helper/prepare.sh JSONL_FOLDER OUT
# JSONL_FOLDER holds pretrain.train, pretrain.heldout, chat.train and chat.heldout (.jsonl or .jsonl.zst).
set -eu
[ $# -eq 2 ] || { echo "usage: $0 JSONL_FOLDER OUT" >&2; exit 2; }
in=$1 out=$2
fathom=${FATHOM:-build/release/fathom}
mkdir -p "$out"
for name in pretrain.train pretrain.heldout chat.train chat.heldout fim.heldout; do
  if [ -f "$in/$name.jsonl.zst" ]; then
    zstd -dqfc "$in/$name.jsonl.zst" > "$out/$name.jsonl"
  else
    cp "$in/$name.jsonl" "$out/$name.jsonl"
  fi
done
# A text that holds a raw line break inside of a string is no JSON line: whole objects alone.
grep '^{.*}$' "$out/chat.train.jsonl" > "$out/chat.whole.jsonl"

if [ ! -f "$out/tok/tokenizer.json" ]; then
  # Chats are many and alike: every fifth is enough to learn their words.
  awk 'NR % 5 == 0' "$out/chat.whole.jsonl" > "$out/chat.sample.jsonl"
  "$fathom" tokenizer train "$out/pretrain.train.jsonl" "$out/chat.sample.jsonl" --vocab-size 8192 --out "$out/tok"
fi

data() { # FOLDER FILE FLAGS...
  to=$1 from=$2
  shift 2
  [ -f "$out/d/$to/train.tokens" ] || "$fathom" data "$out/$from.jsonl" --tokenizer "$out/tok" --out "$out/d/$to" "$@"
}
data prose pretrain.train --where source=standardebooks
data code pretrain.train --where source=python,javascript --fim 0.5
data tldr pretrain.train --where source=tldr
data wordnet pretrain.train --where source=wordnet
data facts pretrain.train --where source=factbook
data chatall chat.whole --learn-all
for kind in shell-open shell-closed shell-nl2bash arith arith-word gsm8k smalltalk define story; do
  data "c-$kind" chat.whole --where "kind=$kind"
done
data c-tools chat.whole --where kind=tool-calc,tool-time,tool-weather,json,capital
data heldout pretrain.heldout
for source in standardebooks wordnet tldr python javascript factbook; do
  data "held-$source" pretrain.heldout --where "source=$source"
done
