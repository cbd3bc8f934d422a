#!/usr/bin/env python3
"""Texts in which something has to be found again.

    recipes/needle/make_needles.py CORPUS.jsonl OUT_FOLDER

CORPUS.jsonl is the corpus's pretrain.train. Writes short.jsonl, middle.jsonl and long.jsonl, documents to train on
(about 250, 1000 and 2000 tokens), and LENGTH.tasks.jsonl for `fathom eval`: a number stands at a tenth, three tenths ...
of a text of so many tokens and is asked for at its end. No name of the tasks goes with the same number twice.
"""

import json
import random
import sys

TRAINED = {"short": (250, 4000), "middle": (1000, 1500), "long": (2000, 700)}
TESTED = (250, 500, 1000, 2000)
DEPTHS = (0.1, 0.3, 0.5, 0.7, 0.9)
TASKS_OF_A_DEPTH = 20
BYTES_OF_A_TOKEN = 3.3
NAMES = ("Amber Birch Cedar Delta Ember Falcon Garnet Harbor Indigo Juniper Kestrel Lantern Maple Nectar Onyx Pepper "
         "Quartz River Saffron Timber Umber Velvet Willow Yarrow Zephyr").split()


def fact(name, number):
    return f"The number of {name} is {number}."


def question(name):
    return f"The number of {name} is"


def sentences(path):
    out = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            document = json.loads(line)
            if document["source"] == "standardebooks":
                out += [s.strip() + "." for s in document["text"].replace("\n", " ").split(". ") if 20 < len(s) < 160]
    return out


def filler(all_sentences, tokens, rng):
    out, size = [], 0
    start = rng.randrange(len(all_sentences) - 200)
    while size < tokens * BYTES_OF_A_TOKEN:
        out.append(all_sentences[start])
        size += len(out[-1]) + 1
        start = (start + 1) % len(all_sentences)
    return out


def training_text(all_sentences, tokens, rng):
    """Several numbers, and questions for them at random places behind."""
    facts = [(name, rng.randint(1000, 9999)) for name in rng.sample(NAMES, 6)]
    text = filler(all_sentences, tokens - 6 * 22, rng)
    for name, number in facts:
        place = rng.randrange(len(text))
        text.insert(place, fact(name, number))
        text.insert(rng.randrange(place + 1, len(text) + 1), fact(name, number))
    return " ".join(text)


def task(all_sentences, tokens, depth, rng):
    name, number = rng.choice(NAMES), rng.randint(1000, 9999)
    text = filler(all_sentences, tokens - 30, rng)
    text.insert(int(depth * len(text)), fact(name, number))
    return {"kind": f"{tokens} tokens, at {int(depth * 100):2} %", "prompt": " ".join(text + [question(name)]),
            "answer": f" {number}."}


def write(path, lines):
    with open(path, "w", encoding="utf-8") as out:
        for line in lines:
            out.write(json.dumps(line) + "\n")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    rng = random.Random(5)
    all_sentences = sentences(sys.argv[1])
    for name, (tokens, count) in TRAINED.items():
        write(f"{sys.argv[2]}/{name}.jsonl", ({"text": training_text(all_sentences, tokens, rng)} for _ in range(count)))
    for tokens in TESTED:
        write(f"{sys.argv[2]}/{tokens}.tasks.jsonl",
              (task(all_sentences, tokens, depth, rng) for depth in DEPTHS for _ in range(TASKS_OF_A_DEPTH)))


main()
