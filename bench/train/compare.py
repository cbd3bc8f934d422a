#!/usr/bin/python3
"""Training speed beside the same model written in PyTorch: tokens a second, share of the machine's peak, and the ratio.

Both train the model of one config.json with AdamW on the same synthetic tokens, in turn and several times over, so that
what else the machine does meets both alike. PyTorch computes in F32 and in BF16 (autocast); the better one counts.
check.py shows that the two are the same model.

  make build
  apt-get install --no-install-recommends python3-torch libopenblas0-pthread     # Debian 12
  bench/train/compare.py
"""

import argparse
import json
import pathlib
import statistics
import sys

import runs
import shards

SUBJECTS = {"fathom-bf16": "bf16", "fathom-f32": "f32", "torch-f32": "f32", "torch-bf16": "bf16"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=pathlib.Path, default=runs.ROOT / "recipes/helper/config.json")
    parser.add_argument("--out", type=pathlib.Path, default=runs.ROOT / "build/bench-train", help="scratch and results")
    parser.add_argument("--subjects", nargs="+", choices=SUBJECTS, default=["fathom-bf16", "torch-f32", "torch-bf16"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a round")
    parser.add_argument("--warmup", type=int, default=1, help="steps before them")
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--mtp-weight", type=float, default=0.3)
    parser.add_argument("--micro-batch-tokens", type=int,
                        help="of a pass of either; 0: the whole batch; not given: for each what is fastest, tried before")
    return parser.parse_args()


def flops_per_token(c, with_mtp):
    """Of forward and backward: six for each weight that a token meets (src/train/trainer.cc counts the same)."""
    dim, heads, rank = c["hidden_size"], c["num_attention_heads"], c["kv_lora_rank"]
    nope, rope, v = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
    attention = (dim * c["q_lora_rank"] + c["q_lora_rank"] * heads * (nope + rope) + dim * (rank + rope)
                 + rank * heads * (nope + v) + heads * v * dim)
    chosen = c["num_experts_per_tok"] + c["n_shared_experts"]
    moe = 3 * dim * c["moe_intermediate_size"] * chosen + dim * c["n_routed_experts"]
    dense = 3 * dim * c["intermediate_size"]
    head = dim * c["vocab_size"]
    layers, dense_layers = c["num_hidden_layers"], c["first_k_dense_replace"]
    main = layers * attention + dense_layers * dense + (layers - dense_layers) * moe + head
    return 6 * (main + (2 * dim * dim + attention + moe + head if with_mtp else 0))


class Bench:
    def __init__(self, args):
        self.args = args
        self.out = args.out.resolve()
        self.config = args.config.resolve()
        self.shape = {"batch_tokens": args.batch_tokens, "context": args.context, "mtp_weight": args.mtp_weight}
        vocabulary = json.loads(self.config.read_text())["vocab_size"]
        rows = args.batch_tokens // args.context
        self.shard = self.out / "compare.tokens"
        shards.write_synthetic(self.shard, vocabulary, rows * (args.warmup + args.steps), args.context + 1)
        self.part = {}  # subject and threads to the tokens of a pass

    def rate(self, subject, threads, steps, warmup):
        """Tokens a second over the timed steps."""
        compute, total, part = SUBJECTS[subject], steps + warmup, self.part.get((subject, threads), 0)
        if subject.startswith("fathom"):
            shape = {**self.shape, "micro_batch_tokens": part}
            recipe = runs.write_recipe(self.out / subject, self.config, self.shard, shape, compute, total)
            lines = runs.run_fathom(recipe, threads)
        else:
            lines = runs.run_torch(self.config, self.shard, self.shape, compute, total, threads,
                                   "--micro-batch-tokens", part)
        return steps / sum(1 / line["tokens_per_second"] for line in lines[warmup:])

    def choose_parts(self):
        """Smaller passes, of which gradients add up, leave the caches less and read the weights more often."""
        args = self.args
        for threads in args.threads:
            for subject in args.subjects:
                best = (0, args.micro_batch_tokens or 0)
                if args.micro_batch_tokens is None:
                    for tokens in sorted({0, *(n * args.context for n in (1, 2, 4) if n * args.context < args.batch_tokens)}):
                        self.part[subject, threads] = tokens
                        best = max(best, (self.rate(subject, threads, 1, 1), tokens))
                self.part[subject, threads] = best[1]
                print(f"{subject} on {threads}: passes of {best[1] or args.batch_tokens} tokens", flush=True)

    def measure(self):
        """(threads, subject) to tokens a second of each round; (threads, "peak-COMPUTE") to FLOP/s."""
        args, rates = self.args, {}
        computes = sorted({SUBJECTS[s] for s in args.subjects})
        for round_number in range(1, args.rounds + 1):
            for threads in args.threads:
                for compute in computes:
                    peak = runs.matrix_rate(compute, threads)
                    rates.setdefault((threads, "peak-" + compute), []).append(peak)
                for subject in args.subjects:
                    rate = self.rate(subject, threads, args.steps, args.warmup)
                    rates.setdefault((threads, subject), []).append(rate)
                    print(f"round {round_number}/{args.rounds}  {threads} threads  {subject:<12} {rate:8.0f} tokens/s",
                          flush=True)
        return rates


def spread(values, digits=0):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def report(args, rates, flops):
    print(f"\n{args.batch_tokens} tokens a step in sequences of {args.context}, {flops / 1e6:.1f} MFLOP a token; "
          f"median (least to most) of {args.rounds} rounds")
    for threads in args.threads:
        print(f"\n{threads} threads      {'tokens/s':>26}  GFLOP/s  of the engine's own product, 2048 cubed")
        for subject in args.subjects:
            own = rates[threads, subject]
            peaks = rates[threads, "peak-" + SUBJECTS[subject]]
            shares = [100 * r * flops / p for r, p in zip(own, peaks)]
            print(f"  {subject:<12} {spread(own):>26}  {statistics.median(own) * flops / 1e9:7.1f}  "
                  f"{spread(shares)} % of {statistics.median(peaks) / 1e9:.0f} GFLOP/s in {SUBJECTS[subject].upper()}")
        torch_subjects = [s for s in args.subjects if s.startswith("torch")]
        if not torch_subjects:
            continue
        best = max(torch_subjects, key=lambda s: statistics.median(rates[threads, s]))
        for subject in (s for s in args.subjects if s.startswith("fathom")):
            ratios = [a / b for a, b in zip(rates[threads, subject], rates[threads, best])]
            print(f"  {subject} over {best}: {spread(ratios, 2)} times")


def main():
    args = arguments()
    if args.batch_tokens % args.context:
        sys.exit("--batch-tokens: is no multiple of --context")
    if any(s.startswith("torch") for s in args.subjects):
        runs.require_torch()
    bench = Bench(args)
    bench.choose_parts()
    rates = bench.measure()
    flops = flops_per_token(json.loads(bench.config.read_text()), args.mtp_weight > 0)
    report(args, rates, flops)
    results = {f"{subject}, {threads} threads": values for (threads, subject), values in rates.items()}
    (bench.out / "compare.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
