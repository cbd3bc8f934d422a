#!/bin/sh
# Bits per byte of the held-out texts by general compressors: cold, and primed with the training text of the same source
# (the size of both together less that of the training text). Needs Debian's xz-utils and 7zip.
#   recipes/helper/opponents.sh OUT        after prepare.sh JSONL_FOLDER OUT
set -eu
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

texts() { # FILE SOURCE: the texts of a source, one after the other
  python3 -c '
import json, sys
for line in open(sys.argv[1], encoding="utf-8"):
    document = json.loads(line)
    if document["source"] == sys.argv[2]:
        sys.stdout.write(document["text"] + "\n")
' "$1" "$2"
}
size_xz() { xz -9e -T1 --lzma2=preset=9e,dict=128MiB -c "$1" | wc -c; }
size_ppmd() { # FILE ORDER
  rm -f "$work/a.7z"
  7zz a -m0="PPMd:o=$2:mem=512m" -bso0 -bsp0 "$work/a.7z" "$1" >/dev/null
  wc -c < "$work/a.7z"
}
bits() { awk -v b="$1" -v n="$2" 'BEGIN { printf "%6.2f", 8 * b / n }'; }

printf '%-16s %10s %8s %11s %9s %13s %14s\n' source bytes "xz cold" "PPMd-6 cold" "xz primed" "PPMd-6 primed" "PPMd-16 primed"
for source in standardebooks wordnet tldr python javascript; do
  texts "$out/pretrain.train.jsonl" "$source" > "$work/train"
  texts "$out/pretrain.heldout.jsonl" "$source" > "$work/heldout"
  cat "$work/train" "$work/heldout" > "$work/both"
  n=$(wc -c < "$work/heldout")
  printf '%-16s %10d %8s %11s %9s %13s %14s\n' "$source" "$n" \
    "$(bits "$(size_xz "$work/heldout")" "$n")" \
    "$(bits "$(size_ppmd "$work/heldout" 6)" "$n")" \
    "$(bits $(($(size_xz "$work/both") - $(size_xz "$work/train"))) "$n")" \
    "$(bits $(($(size_ppmd "$work/both" 6) - $(size_ppmd "$work/train" 6))) "$n")" \
    "$(bits $(($(size_ppmd "$work/both" 16) - $(size_ppmd "$work/train" 16))) "$n")"
done
