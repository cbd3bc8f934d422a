"""Runs Fathom and PyTorch as their users would, each in a process of its own, and reads what they measured."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = os.environ.get("TORCH_PYTHON", "/usr/bin/python3")


def fathom_program():
    return os.environ.get("FATHOM", str(ROOT / "build/release/fathom"))


def require_torch():
    found = subprocess.run([PYTHON, "-c", "import torch"], capture_output=True, text=True)
    if found.returncode != 0:
        sys.exit("PyTorch is missing, which this bench alone needs. On Debian 12:\n"
                 "  apt-get install --no-install-recommends python3-torch libopenblas0-pthread")


def cpu_flags():
    with open("/proc/cpuinfo") as file:
        return set(next((line for line in file if line.startswith("flags")), "").split())


def torch_environment(threads):
    """What Debian's PyTorch needs to use this machine as well as it can, unless the caller says otherwise."""
    flags = cpu_flags()
    wanted = {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    if "avx512f" in flags:
        # Its OpenBLAS is older than most machines and takes those that it does not know for AVX2 ones.
        wanted["OPENBLAS_CORETYPE"] = "COOPERLAKE" if "avx512_bf16" in flags else "SKYLAKEX"
        wanted["ATEN_CPU_CAPABILITY"] = "avx512"
    if "amx_bf16" in flags:
        # Its oneDNN stops with an illegal instruction where it uses AMX.
        wanted["DNNL_MAX_CPU_ISA"] = "AVX512_CORE_BF16"
    return {**wanted, **os.environ}


def write_recipe(folder, config, shard, shape, compute, steps, rate=1e-3):
    """A recipe whose run is folder/run; what was there before is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / "recipe.toml"
    path.write_text(
        f'model = "{config}"\nout = "run"\ncompute = "{compute}"\nsteps = {steps}\n'
        f'batch_tokens = {shape["batch_tokens"]}\n'
        f"micro_batch_tokens = {shape.get('micro_batch_tokens', 0)}\n"
        f'context = {shape["context"]}\n'
        f'mtp_weight = {shape["mtp_weight"]}\ninit_deviation = 0.02\nbalance_alpha = 0\n'
        f"bias_update_speed = {shape.get('bias_update_speed', 0.001)}\n"
        f"evaluate_every = 0\ncheckpoint_every = {steps}\nkeep = 1\n"
        f'[optimizer]\nname = "adamw"\nlearning_rate = {rate}\n'
        f'[schedule]\nname = "constant"\nwarmup = 0\n[[data]]\npath = "{shard}"\n')
    return path


def run_fathom(recipe, threads):
    """Steps as metrics.jsonl has them."""
    subprocess.run([fathom_program(), "train", str(recipe), "--threads", str(threads)], check=True,
                   stdout=subprocess.DEVNULL)
    with open(recipe.parent / "run/metrics.jsonl") as file:
        return [json.loads(line) for line in file]


def run_torch(config, shard, shape, compute, steps, threads, *more):
    command = [PYTHON, str(HERE / "torch_train.py"), "--config", str(config), "--shard", str(shard),
               "--compute", compute, "--steps", str(steps), "--threads", str(threads),
               "--batch-tokens", str(shape["batch_tokens"]), "--mtp-weight", str(shape["mtp_weight"]),
               "--bias-update-speed", str(shape.get("bias_update_speed", 0.001)), *map(str, more)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=torch_environment(threads))
    return [json.loads(line) for line in done.stdout.splitlines()]


def matrix_rate(compute, threads):
    """FLOP/s of the engine's own product, 2048 cubed: the peak that shares are of."""
    command = [fathom_program(), "bench", "--model", str(ROOT / "models/tiny"), "--compute", compute,
               "--threads", str(threads), "--prompt", "8", "--decode", "0", "--repeats", "1"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.search(r"matrix product\s+([\d.]+) GFLOP/s", text).group(1)) * 1e9
