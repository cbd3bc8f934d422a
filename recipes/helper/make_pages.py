#!/usr/bin/env python3
"""The pages of lookup_command, out of the corpus: the tool messages of the chats, held-out ones too, and tldr documents
of the pretraining files whose command has no page yet.

    recipes/helper/make_pages.py JSONL_FOLDER models/helper/pages.jsonl

JSONL_FOLDER holds chat.{train,heldout} and pretrain.{train,heldout} as .jsonl or .jsonl.zst. A line of the result is
{"name", "page"}; lines are sorted by name."""

import collections
import json
import pathlib
import subprocess
import sys


def objects(folder, name):
    plain = folder / f"{name}.jsonl"
    packed = folder / f"{name}.jsonl.zst"
    if plain.exists():
        data = plain.read_bytes()
    else:
        data = subprocess.run(["zstd", "-dqc", packed], capture_output=True, check=True).stdout
    for line in data.decode().split("\n"):
        # A text that holds a raw line break inside of a string is no JSON line: whole objects alone.
        if line.startswith("{") and line.endswith("}"):
            yield json.loads(line)


def name_of(page):
    """The name in "# name", or None when the text is not a page."""
    head, _, rest = page.partition("\n\n")
    return head[2:] if head.startswith("# ") and "\n" not in head and "\n- " in rest else None


def chat_pages(folder):
    """Per name its pages with the number of examples that read them: platforms differ."""
    pages = collections.defaultdict(collections.Counter)
    for part in ("chat.train", "chat.heldout"):
        for chat in objects(folder, part):
            asked = None
            for message in chat["messages"]:
                for call in message.get("tool_calls", []):
                    asked = call["function"]["name"]
                if message["role"] == "tool" and asked == "lookup_command":
                    name = name_of(message["content"])
                    if name is None:
                        sys.exit(f"error: {chat['id']}: the tool message is no page")
                    pages[name][message["content"]] += 1
    return pages


def main():
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} JSONL_FOLDER OUT")
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    # The page that most examples read; of equals the longest.
    pages = {
        name: max(texts, key=lambda text: (texts[text], len(text), text))
        for name, texts in chat_pages(folder).items()
    }
    from_chats = len(pages)
    more = {}
    for part in ("pretrain.train", "pretrain.heldout"):
        for document in objects(folder, part):
            page = document["text"].rstrip("\n")
            name = name_of(page) if document["source"] == "tldr" else None
            if name is not None and name not in pages:
                more[name] = max(more.get(name, ""), page, key=len)
    pages.update(more)
    lines = [json.dumps({"name": name, "page": pages[name]}, ensure_ascii=False) + "\n" for name in sorted(pages)]
    out.write_text("".join(lines), encoding="utf-8")
    print(f"{out}: {len(pages)} pages ({from_chats} of chats), {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
