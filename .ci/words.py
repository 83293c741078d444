#!/usr/bin/env python3
"""Finds retired names where they are defined, and retired sentences in docs and papers.

Usage: .ci/words.py [PATH...]. Without a path, all of the repository. The lists stand in .ci/retired.txt, which says how it is written. Prints each hit as
`file:line: what`, and ends with 1 if there was one.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFINITION = re.compile(r"\b(?:struct|enum|trait|type|fn|mod|const|static|macro_rules!)\s+(\w+)")
LONG_TEST = 60


def retired():
    """The names, and the sentences as expressions."""
    names, sentences = set(), []
    for line in (ROOT / ".ci/retired.txt").read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "name":
            names.update(rest.split())
        elif kind == "sentence":
            sentences.append(re.compile(rest))
        elif line and not line.startswith("#"):
            sys.exit(f".ci/retired.txt: no such line: {line}")
    return names, sentences


def prose(path, lines):
    """The lines that people read: doc comments, comments, and papers outside their code blocks."""
    fenced = False
    for number, line in enumerate(lines, 1):
        if path.suffix == ".rs":
            found = re.match(r"\s*//[/!]? ?(.*)", line)
            text = found and found[1]
        else:
            text = line
        if text is None:
            fenced = False
            continue
        if text.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, text


def hits(path, names, sentences):
    lines = path.read_text().splitlines()
    if path.suffix == ".rs":
        if path.stem in names:
            yield 1, f"the file name {path.stem} is retired"
        test = False
        for number, line in enumerate(lines, 1):
            code = line.split("//")[0]
            for name in DEFINITION.findall(code):
                if name in names:
                    yield number, f"the name {name} is retired"
                if test and f"fn {name}" in code and len(name) > LONG_TEST:
                    yield number, f"the test name {name} has {len(name)} characters, of {LONG_TEST} at most"
            test = "test]" in code or "test(" in code or (test and code.strip().startswith("#["))
    before = ""
    for number, text in prose(path, lines):
        # A sentence may begin in the middle of a line, or where the line before ended one.
        starts = re.split(r"(?<=[.:;!])(?:\*\*)? +|(?<= \|) +", re.sub(r"^[-*|>#\s]+", "", text))
        if before and not re.search(r"[.:;!|]$", before) and not re.match(r"[-*|>#]", text):
            starts[0] = "… " + starts[0]
        before = text.rstrip()
        for start in starts:
            start = start.lstrip("*| ")  # behind a bold word, or at the beginning of a cell
            for sentence in sentences:
                found = sentence.search(start)
                if found and not start.rstrip().endswith("?"):
                    yield number, f"retired words: {found[0]!r} in {start!r}"


def main():
    names, sentences = retired()
    listed = subprocess.run(["git", "ls-files", "--", *sys.argv[1:]], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    count = 0
    for name in listed.splitlines():
        path = ROOT / name
        if path.suffix not in (".rs", ".md") or path.name == "CHANGELOG.md" or not path.exists():
            continue
        for number, what in hits(path, names, sentences):
            count += 1
            print(f"{name}:{number}: {what}")
    print(f"{count} retired names and sentences")
    sys.exit(bool(count))


main()
