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
  "$fathom" tokenizer train "$out/pretrain.train.jsonl" "$out/chat.sample.jsonl" --vocab-size 8192 --split-digits \
    --out "$out/tok"
fi

data() { # FOLDER FILE FLAGS...
  to=$1 from=$2
  shift 2
  [ -f "$out/d/$to/train.tokens" ] || "$fathom" data "$out/$from.jsonl" --tokenizer "$out/tok" --out "$out/d/$to" "$@"
}
open=kind=shell-open
tools=kind=tool-calc,tool-time,tool-weather,json,capital
reckoning=kind=arith,arith-word

# Pretraining: every token is learned.
data prose pretrain.train --where source=standardebooks
# As long as what an editor sends: the text around the cursor.
data code pretrain.train --where source=python,javascript --piece-bytes 1600 --fim 0.5
data tldr pretrain.train --where source=tldr
data wordnet pretrain.train --where source=wordnet
data facts pretrain.train --where source=factbook
data all-open chat.whole --learn-all --where "$open"
data all-tools chat.whole --learn-all --where "$tools"
data all-reckoning chat.whole --learn-all --where "$reckoning"
data all-talk chat.whole --learn-all --where kind=shell-closed,shell-nl2bash,gsm8k,smalltalk,define,story

# Fine-tuning: what the assistant says is learned.
data chat-open chat.whole --where "$open"
data chat-tools chat.whole --where "$tools"
for kind in shell-closed shell-nl2bash arith arith-word gsm8k smalltalk define story; do
  data "chat-$kind" chat.whole --where "kind=$kind"
done

# The assistant as `fathom chat` runs it.
python3 recipes/helper/augment.py "$out/chat.whole.jsonl" "$out"
for name in open other turns; do
  data "assistant-$name" "assistant-$name"
done

for source in standardebooks wordnet tldr python javascript factbook; do
  data "heldout-$source" pretrain.heldout --where "source=$source"
done
data heldout-chat chat.heldout
