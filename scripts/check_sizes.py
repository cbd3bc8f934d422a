#!/usr/bin/env python3
"""Files small enough to hold in the head: warns at 500 lines, fails at 700, and keeps src/model under 1,500 together.
Exceptions stand with their reason in scripts/size_exceptions.txt ("path: reason")."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
WARN, FAIL, MODEL_TOTAL = 500, 700, 1500


def main():
    exceptions = {}
    for line in (ROOT / "scripts/size_exceptions.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            path, reason = line.split(":", 1)
            exceptions[path.strip()] = reason.strip()
    files = subprocess.run(["git", "ls-files", "*.h", "*.cc"], cwd=ROOT, capture_output=True, text=True, check=True)
    failed, model = False, 0
    for name in files.stdout.split():
        path = ROOT / name
        if not path.exists():
            continue
        lines = path.read_text().count("\n")
        if name.startswith("src/model/") and not name.endswith("_test.cc"):
            model += lines
        if name in exceptions:
            continue
        if lines > FAIL:
            print(f"{name}: {lines} lines, the limit is {FAIL}")
            failed = True
        elif lines > WARN:
            print(f"{name}: {lines} lines, please split (warning at {WARN})")
    if model > MODEL_TOTAL:
        print(f"src/model: {model} lines together, the limit is {MODEL_TOTAL}")
        failed = True
    print("sizes: " + ("too large" if failed else "in order"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
