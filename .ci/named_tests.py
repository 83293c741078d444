#!/usr/bin/env python3
"""Finds tests that SECURITY.md, README.md or src/guarantees.rs name and that do not exist.

A name in backticks with at least three underscores is a test function, alone or after `file: `; a path that begins with `tests/` is a file or a folder, with or
without `.rs`. Prints each that is missing, and ends with 1 if there was one.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAPERS = ["SECURITY.md", "README.md", "src/guarantees.rs"]


def main():
    listed = subprocess.run(["git", "ls-files", "src", "tests"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    functions = set()
    for name in listed:
        if name.endswith(".rs") and (ROOT / name).exists():
            functions.update(re.findall(r"\bfn (\w+)", (ROOT / name).read_text()))
    missing = 0
    for paper in PAPERS:
        for number, line in enumerate((ROOT / paper).read_text().splitlines(), 1):
            code = re.findall(r"`([^`]+)`", line)
            paths = [path for text in code + re.findall(r"\]\(([^)]+)\)", line) for path in re.findall(r"^(?:tests|src)/[\w/.-]+", text)]
            named = [name for text in code for name in re.findall(r"^(?:[\w/.:-]+: )?(\w+(?:_\w+){3,})$", text)]
            for path in paths:
                path = path.rstrip(".:")
                if not any((ROOT / (path + ending)).exists() for ending in ("", ".rs")):
                    missing += 1
                    print(f"{paper}:{number}: there is no file {path}")
            for name in named:
                if name not in functions and not any(Path(file).stem == name for file in listed):
                    missing += 1
                    print(f"{paper}:{number}: there is no test {name}")
    print(f"{missing} tests that do not exist")
    sys.exit(bool(missing))


main()
