#!/usr/bin/env python3
"""Finds public type names that exist twice, in the page `all.html` that `cargo doc --no-deps --all-features` wrote.

One name means one thing in the whole crate: a struct, an enum, a trait or a type alias whose name has two paths is printed as `name: path, path`, and the script
ends with 1. A re-export is no second path, as long as rustdoc documents the type at one place.
"""

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("struct", "enum", "union", "trait", "traitalias", "type")


def main():
    metadata = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version=1"], cwd=ROOT, capture_output=True, text=True, check=True)
    page = Path(json.loads(metadata.stdout)["target_directory"]) / "doc/voicemail/all.html"
    if not page.exists():
        sys.exit(f"{page} is missing: run cargo doc --no-deps --all-features first")
    paths = {}
    for kind, path in re.findall(r'<a href="(?:[^"]*/)?(\w+)\.\w+\.html">([^<]*)</a>', page.read_text()):
        if kind in KINDS:
            path = unescape(path)
            paths.setdefault(path.rsplit("::", 1)[-1], set()).add(path)
    twice = {name: homes for name, homes in paths.items() if len(homes) > 1}
    for name, homes in sorted(twice.items()):
        print(f"{name}: {', '.join(sorted(homes))}")
    print(f"{len(paths)} public type names, {len(twice)} of them twice")
    sys.exit(bool(twice))


main()
