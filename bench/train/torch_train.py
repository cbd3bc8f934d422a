#!/usr/bin/python3
"""Trains the PyTorch model on token shards and prints a line of JSON for each step, under the names of Fathom's
metrics.jsonl."""

import argparse
import json
import time

import torch

import shards
from torch_model import Transformer, load_checkpoint


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, help="config.json")
    parser.add_argument("--shard", required=True, help="token shard of documents of one length, context + 1")
    parser.add_argument("--checkpoint", help="folder with model.safetensors (F32) to begin from")
    parser.add_argument("--compute", choices=["f32", "bf16"], default="f32", help="bf16: autocast over F32 weights")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--micro-batch-tokens", type=int, default=0, help="of one pass; 0: the whole batch at once")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--mtp-weight", type=float, default=0.3)
    parser.add_argument("--bias-update-speed", type=float, default=0.001)
    return parser.parse_args()


def make_optimizer(model, rate):
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    # One call over all tensors of a group instead of some ten for each of the many small experts.
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), eps=1e-8, foreach=True)


def train_step(model, optimizer, inputs, targets, args):
    """Returns loss, loss of the MTP module and the gradient's norm before clipping."""
    optimizer.zero_grad(set_to_none=True)
    for moe in model.moes().values():
        moe.load_E = None
    rows, length = inputs.shape
    rows_of_part = max(1, args.micro_batch_tokens // length) if args.micro_batch_tokens else rows
    tokens, main_sum, mtp_sum = inputs.numel(), 0.0, 0.0
    for begin in range(0, rows, rows_of_part):
        part = slice(begin, begin + rows_of_part)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.compute == "bf16"):
            main, mtp = model.losses(inputs[part], targets[part], args.mtp_weight > 0)
        loss = main if mtp is None else main + args.mtp_weight * mtp
        (loss / tokens).backward()
        main_sum += main.item()
        mtp_sum += 0.0 if mtp is None else mtp.item()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    for moe in model.moes().values():
        load = moe.load_E.float()
        moe.e_score_correction_bias += args.bias_update_speed * torch.sign(load.mean() - load)
    return main_sum / tokens, mtp_sum / (rows * (length - 1)), norm.item()


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    with open(args.config) as file:
        model = Transformer(json.load(file))
    if args.checkpoint:
        load_checkpoint(model, args.checkpoint)
    optimizer = make_optimizer(model, args.learning_rate)
    for step, (inputs, targets) in enumerate(shards.batches(args.shard, args.batch_tokens, args.steps), 1):
        began = time.perf_counter()
        loss, mtp_loss, norm = train_step(model, optimizer, torch.tensor(inputs), torch.tensor(targets), args)
        seconds = time.perf_counter() - began
        line = {"step": step, "loss": loss, "mtp_loss": mtp_loss, "gradient_norm": norm,
                "tokens_per_second": args.batch_tokens / seconds,
                "expert_load": {str(i): moe.load_E.tolist() for i, moe in model.moes().items()}}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
