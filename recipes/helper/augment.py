#!/usr/bin/env python3
"""Chats as the assistant has them: several tools declared where one or none is needed, and more than one question.

    recipes/helper/augment.py CHAT.jsonl OUT_FOLDER

CHAT.jsonl is the corpus's chat.train. Writes assistant-open.jsonl (commands, tools beside lookup_command),
assistant-other.jsonl (small talk, definitions, sums and clocks under the same tools) and assistant-turns.jsonl (two or
three of those in one conversation). The same input gives the same output.
"""

import json
import random
import sys

SEED = 11
MOST_EXAMPLES_OF_A_PAGE = 2
KINDS_WITHOUT_CALLS = ("smalltalk", "define", "story", "capital", "arith", "arith-word")
SHARE_OF_OTHERS = {"smalltalk": 0.7, "define": 0.12, "story": 1.0, "capital": 1.0, "arith": 0.06, "arith-word": 0.06,
                   "tool-calc": 0.5, "tool-time": 1.0}
CONVERSATIONS = 5000


def read(path):
    by_kind, tools = {}, {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not (line.startswith("{") and line.rstrip().endswith("}")):
                continue
            chat = json.loads(line)
            by_kind.setdefault(chat["kind"], []).append(chat)
            for tool in chat.get("tools") or ():
                tools.setdefault(tool["function"]["name"], tool)
    return by_kind, tools


def some_tools(tools, needed, rng):
    """The assistant's own three most of the time, else a few of all."""
    own = ["lookup_command", "calculator", "get_time"]
    names = list(own)
    if rng.random() < 0.3:
        names = rng.sample(sorted(tools), rng.randint(2, len(tools)))
    names += [name for name in needed if name not in names]
    if rng.random() < 0.5:
        rng.shuffle(names)
    return [tools[name] for name in names]


def calls_of(messages):
    return [call["function"]["name"] for m in messages for call in m.get("tool_calls") or ()]


def without_system(chat):
    return not any(m["role"] == "system" for m in chat["messages"])


def write(path, chats):
    with open(path, "w", encoding="utf-8") as out:
        for chat in chats:
            out.write(json.dumps(chat, ensure_ascii=False) + "\n")
    print(f"{len(chats)} chats: {path}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    by_kind, tools = read(sys.argv[1])
    rng = random.Random(SEED)

    of_page, opened = {}, []
    candidates = list(by_kind["shell-open"])
    rng.shuffle(candidates)
    for chat in candidates:
        page = chat["messages"][2]["content"]
        of_page[page] = of_page.get(page, 0) + 1
        if of_page[page] <= MOST_EXAMPLES_OF_A_PAGE:
            opened.append({"kind": "assistant-open", "messages": chat["messages"],
                           "tools": some_tools(tools, ["lookup_command"], rng)})

    others = []
    for kind, share in SHARE_OF_OTHERS.items():
        for chat in by_kind.get(kind, ()):
            if rng.random() < share and without_system(chat):
                needed = calls_of(chat["messages"])
                others.append({"kind": "assistant-other", "messages": chat["messages"],
                               "tools": some_tools(tools, needed, rng)})
    rng.shuffle(others)

    turns = []
    pool = [chat for chat in others if not any(m.get("reasoning_content") for m in chat["messages"])]
    for _ in range(CONVERSATIONS):
        parts = [rng.choice(pool if rng.random() < 0.5 else opened) for _ in range(rng.choice((2, 2, 3)))]
        if sum(len(json.dumps(p["messages"])) for p in parts) > 4500:
            continue
        messages = [m for p in parts for m in p["messages"]]
        turns.append({"kind": "assistant-turns", "messages": messages,
                      "tools": some_tools(tools, calls_of(messages), rng)})

    write(f"{sys.argv[2]}/assistant-open.jsonl", opened)
    write(f"{sys.argv[2]}/assistant-other.jsonl", others)
    write(f"{sys.argv[2]}/assistant-turns.jsonl", turns)


main()
