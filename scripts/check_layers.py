#!/usr/bin/env python3
"""Fails when an include of src/ runs against scripts/layers.txt, or when CMake links against it."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')
LINK = re.compile(r"fathom_library\((\w+)\s+LINK((?:\s+[\w:]+)*)")
# Asking the processor what it can do needs cpuid's header, whichever floor asks.
ALLOWED_OUTSIDE = {("base", "immintrin.h")}


def read_layers():
    may_include, confined = {}, {}
    for line in (ROOT / "scripts/layers.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        folder, rest = line.split(":", 1)
        inside, outside = rest.split("|")
        may_include[folder] = inside.split()
        for prefix in outside.split():
            confined[prefix] = folder
    return may_include, confined


def allowed(target, rules):
    return any(target.startswith(rule + "/") or target == rule for rule in rules)


def main():
    may_include, confined = read_layers()
    faults = []
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        folder = path.relative_to(ROOT / "src").parts[0]
        if folder not in may_include:
            faults.append(f"{path.relative_to(ROOT)}: folder '{folder}' is not in scripts/layers.txt")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            where = f"{path.relative_to(ROOT)}:{number}"
            inside, outside = match.groups()
            if inside and not allowed(inside, [folder, *may_include[folder]]):
                faults.append(f"{where}: {folder}/ may not include {inside}")
            for prefix, owner in confined.items():
                if outside and outside.startswith(prefix) and folder != owner:
                    if (folder, prefix) not in ALLOWED_OUTSIDE:
                        faults.append(f"{where}: <{outside}> belongs to {owner}/ alone")
    for path in sorted((ROOT / "src").glob("*/CMakeLists.txt")):
        match = LINK.search(path.read_text())
        if not match:
            continue
        folder = match.group(1)
        floors = {rule.split("/")[0] for rule in may_include[folder]}
        for link in match.group(2).split():
            if link.startswith("fathom_") and link.removeprefix("fathom_") not in floors:
                faults.append(f"{path.relative_to(ROOT)}: {folder} may not link {link}")
    print("\n".join(faults) or "layers: in order")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
