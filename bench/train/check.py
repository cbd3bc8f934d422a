#!/usr/bin/python3
"""Shows that the PyTorch model is the model that Fathom trains: from one checkpoint, over one batch, in F32, both give the
same losses, the same gradient of every parameter, the same loads of experts and the same weights after a step.

  build/release/fathom must be there (make build), and Debian's python3-torch (see compare.py)."""

import argparse
import json
import pathlib
import sys
import types

import runs
import shards


def relative(got, wanted):
    return ((got - wanted).norm() / wanted.norm().clamp_min(1e-12)).item()


def make_checkpoints(out, config, shape, threads):
    """A checkpoint whose balancing bias is not zero, and what Fathom makes of it in one more step."""
    rows = shape["batch_tokens"] // shape["context"]
    shard = out / "check.tokens"
    shards.write_synthetic(shard, json.loads(config.read_text())["vocab_size"], rows, shape["context"] + 1)
    before = runs.write_recipe(out / "check-a", config, shard, {**shape, "bias_update_speed": 0.05}, "f32", 3)
    runs.run_fathom(before, threads)
    start = before.parent / "run/step-00000003"
    after = runs.write_recipe(out / "check-b", start, shard, shape, "f32", 1)
    (line,) = runs.run_fathom(after, threads)
    return shard, start, after.parent / "run/step-00000001", line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=pathlib.Path, default=runs.ROOT / "recipes/helper/config.json")
    parser.add_argument("--out", type=pathlib.Path, default=runs.ROOT / "build/bench-train")
    parser.add_argument("--sequences", type=int, default=4)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    runs.require_torch()
    import torch
    import torch_model
    import torch_train

    shape = {"batch_tokens": args.sequences * args.context, "context": args.context, "mtp_weight": 0.3}
    shard, start, after, line = make_checkpoints(args.out.resolve(), args.config.resolve(), shape, args.threads)

    torch.set_num_threads(args.threads)
    model = torch_model.Transformer(json.loads((start / "config.json").read_text()))
    torch_model.load_checkpoint(model, start)
    before = {name: t.clone() for name, t in torch_model.published_tensors(model).items()}
    optimizer = torch_train.make_optimizer(model, 1e-3)
    ((inputs, targets),) = shards.batches(shard, shape["batch_tokens"], 1)
    settings = types.SimpleNamespace(compute="f32", mtp_weight=0.3, micro_batch_tokens=0, bias_update_speed=0.001)
    loss, mtp_loss, norm = torch_train.train_step(model, optimizer, torch.tensor(inputs), torch.tensor(targets), settings)

    failed = False

    def report(name, fathom, torch_value, error, limit):
        nonlocal failed
        failed = failed or not error <= limit
        print(f"{name:<36} {fathom:>14} {torch_value:>14}   {error:9.1e}  {'ok' if error <= limit else 'DIFFERS'}")

    print(f"{'':<36} {'Fathom':>14} {'PyTorch':>14}   {'relative':>9}")
    # PyTorch adds the squares of a norm in F32, some 1e-4 off for the largest matrices; clipping by it scales all alike.
    for name, f, t, limit in (("loss", line["loss"], loss, 1e-5),
                              ("loss of the MTP module", line["mtp_loss"], mtp_loss, 1e-5),
                              ("norm of the gradient", line["gradient_norm"], norm, 1e-3)):
        report(name, f"{f:.7f}", f"{t:.7f}", abs(f - t) / abs(f), limit)

    load_f = torch.tensor([n for i in sorted(line["expert_load"], key=int) for n in line["expert_load"][i]])
    load_t = torch.cat([moe.load_E for _, moe in sorted(model.moes().items())])
    # Two scores that are as good as equal may be ordered either way.
    report("loads of experts, choices moved", int(load_f.sum()), int(load_t.sum()),
           ((load_f - load_t).abs().sum() / load_f.sum()).item(), 1e-3)

    # The first moment behind one step is a tenth of the gradient, clipped as both clip it.
    moments = torch_model.read_safetensors(after / "optimizer.safetensors")
    gradients = torch_model.published_tensors(model, lambda tensor: tensor.grad)
    errors = {n: relative(moments["first." + n] / 0.1, g) for n, g in gradients.items() if moments["first." + n].any()}
    worst = max(errors, key=errors.get)
    report(f"gradients of {len(errors)} tensors, worst", "", "", errors[worst], 1e-3)
    print(f"{'':<36} {worst}")

    stored = torch_model.read_safetensors(after / "model.safetensors")
    now = torch_model.published_tensors(model)
    moved_f = torch.cat([(stored[n] - before[n]).flatten() for n in now])
    moved_t = torch.cat([(now[n] - before[n]).flatten() for n in now])
    # AdamW's first step is about the gradient's sign, which noise decides where the gradient is as good as zero.
    report("way of all weights in the step", f"{moved_f.norm():.6f}", f"{moved_t.norm():.6f}",
           relative(moved_f, moved_t), 2e-2)

    torch_model.load_checkpoint(model, start)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = model.losses(torch.tensor(inputs), torch.tensor(targets), False)[0].item() / shape["batch_tokens"]
    report("loss under PyTorch's autocast, BF16", f"{line['loss']:.7f}", f"{narrow:.7f}",
           abs(narrow - line["loss"]) / line["loss"], 2e-3)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
