#!/usr/bin/env python3
"""What no model is needed for, on the held-out chats.

    recipes/helper/trivial_answers.py OUT        after prepare.sh JSONL_FOLDER OUT

shell-open-unseen: the command of the page whose description shares the most words with the question, as it stands.
Everything else: the answer of the training question of the same kind that shares the most words with the question.
"""

import collections
import json
import re
import sys

TRIED = 300  # held-out questions of a kind


def words(text):
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def overlap(a, b):
    return len(a & b) / max(1, len(a | b))


def question(chat):
    return next(m["content"] for m in chat["messages"] if m["role"] == "user")


def page_command(chat):
    page = next((m["content"] for m in chat["messages"] if m["role"] == "tool"), "")
    asked, best = words(question(chat)), ("", -1.0)
    for text, command in re.findall(r"- (.*?):?\n +(.*)", page):
        score = overlap(asked, words(text))
        if score > best[1]:
            best = (command, score)
    return best[0]


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.startswith("{") and line.rstrip().endswith("}")]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    known = collections.defaultdict(list)
    for chat in read(f"{sys.argv[1]}/chat.whole.jsonl"):
        if "answer" in chat:
            known[chat["kind"]].append((words(question(chat)), chat["answer"]))
    tried, right = collections.Counter(), collections.Counter()
    for chat in read(f"{sys.argv[1]}/chat.heldout.jsonl"):
        if "answer" not in chat:
            continue
        kind = chat["kind"]
        if tried[kind] == TRIED:
            continue
        if kind == "shell-open-unseen":
            answer = page_command(chat)
        elif known[kind]:
            asked = words(question(chat))
            answer = max(known[kind], key=lambda entry: overlap(asked, entry[0]))[1]
        else:
            continue
        tried[kind] += 1
        right[kind] += answer.strip() == chat["answer"].strip()
    for kind in sorted(tried):
        print(f"{kind:20} {tried[kind]:5} tasks  {100 * right[kind] / tried[kind]:5.1f} %")


main()
