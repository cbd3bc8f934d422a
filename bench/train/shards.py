"""Token shards as `fathom data` writes them (src/train/token_shard.cc), of synthetic documents."""

import array
import pathlib
import random
import struct

MAGIC = b"fathomT1"
HEADER = struct.Struct("<8s5Q")  # magic, vocabulary, hash of the tokenizer, bytes of text, documents, tokens
ID_BITS = (1 << 31) - 1  # the bit above says that a token is not learned


def write_synthetic(path, vocabulary, documents, length, seed=1):
    """Documents of `length` tokens each. Frequencies fall as words' do (Zipf), and a token often follows the one that
    followed before, so that there is something to learn; the same bytes on every machine."""
    draw = random.Random(seed)
    ids = list(range(vocabulary))
    draw.shuffle(ids)
    weights = [1 / (rank + 10) for rank in range(vocabulary)]
    drawn = draw.choices(ids, weights, k=documents * length)
    follower = draw.choices(ids, weights, k=vocabulary)
    for i in range(1, len(drawn)):
        if draw.random() < 0.5:
            drawn[i] = follower[drawn[i - 1]]
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(HEADER.pack(MAGIC, vocabulary, 0, 4 * len(drawn), documents, len(drawn)))
        file.write(array.array("Q", range(0, len(drawn) + 1, length)).tobytes())
        file.write(array.array("I", drawn).tobytes())


def read(path):
    """The documents, each a list of token ids."""
    with open(path, "rb") as file:
        magic, _, _, _, documents, tokens = HEADER.unpack(file.read(HEADER.size))
        assert magic == MAGIC, f"{path}: is no token shard"
        begins, values = array.array("Q"), array.array("I")
        begins.fromfile(file, documents + 1)
        values.fromfile(file, tokens)
    return [[v & ID_BITS for v in values[begins[i]:begins[i + 1]]] for i in range(documents)]


def batches(path, batch_tokens, steps):
    """Inputs and targets of each step, a list of equal rows; begins again behind the last document."""
    documents = read(path)
    length = len(documents[0]) - 1
    assert all(len(d) == length + 1 for d in documents), f"{path}: documents differ in length"
    rows = batch_tokens // length
    for step in range(steps):
        batch = [documents[(step * rows + r) % len(documents)] for r in range(rows)]
        yield [d[:-1] for d in batch], [d[1:] for d in batch]
