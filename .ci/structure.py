#!/usr/bin/env python3
"""Finds import cycles between files of src/, and modules that import one that stands above them.

Reads `use` declarations and paths that are written out, outside tests. The order of the top-level modules is the list below, the lowest first; a module imports only
those before it. Prints each fault and ends with 1, or says how much was read.
"""

import re
import sys
from pathlib import Path

ORDER = """
error_chain lock pages descriptors retry disk message audio clock rules directory sent greeting mwi wire sip smtp http store event telephone voice forward intake metrics
network spool retrieval jobs outbox arrival record node call conformance fuzz guarantees static_asserts
""".split()

SRC = Path(__file__).resolve().parent.parent / "src"


def production(path):
    """The text of a file without its closing test module and without comments."""
    text = re.sub(r"(?m)^\s*//.*$", "", path.read_text())
    return re.split(r"(?m)^#\[cfg\(test\)\]\nmod \w+ \{", text)[0]


def module(path):
    """`src/store/maildir/mod.rs` is `store::maildir`."""
    parts = list(path.relative_to(SRC).with_suffix("").parts)
    return tuple(parts[:-1] if parts[-1] == "mod" else parts)


def is_test(path):
    return any(part in ("tests", "tests.rs") or part.endswith("_tests.rs") for part in path.relative_to(SRC).parts)


def leaves(tree):
    """`a::{b, c::d}` is `a::b` and `a::c::d`."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        yield re.sub(r"\s+as\s+\w+$", "", tree)
        return
    depth, start, inner = 0, brace + 1, tree[brace + 1:tree.rindex("}")]
    parts, last = [], 0
    for at, char in enumerate(inner):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            parts.append(inner[last:at])
            last = at + 1
    parts.append(inner[last:])
    for part in parts:
        if part.strip():
            for leaf in leaves(part):
                yield tree[:brace] + leaf


def imports(text, here):
    """Each path that is imported or written out, from the root of the crate."""
    for attributes, tree in re.findall(r"(?ms)((?:^#\[[^\n]*\]\n)*)^(?:pub(?:\([^)]*\))? )?use ([^;]+);", text):
        if "cfg(test)" in attributes or "any(test" in attributes:
            continue
        for leaf in leaves(re.sub(r"\s+", " ", tree)):
            names = leaf.split("::")
            base = here
            if names[0] == "crate":
                base, names = (), names[1:]
            elif names[0] in ("self", "super"):
                while names and names[0] in ("self", "super"):
                    base = base if names[0] == "self" else base[:-1]
                    names = names[1:]
            else:
                continue
            yield base + tuple(names)
    code = re.sub(r'(?ms)^(?:pub(?:\([^)]*\))? )?use [^;]+;|"[^"\n]*"', "", text)
    for inline in re.findall(r"(?<![\w:{])(crate|super)::(\w+)::(\w+)", code):
        yield ((), here[:-1])[inline[0] == "super"] + inline[1:]


def main():
    files = {module(path): path for path in sorted(SRC.rglob("*.rs")) if path.name != "lib.rs" and not is_test(path)}
    exports = {}
    for name, path in files.items():
        for target in imports(production(path), name):
            exports.setdefault(name, {})[target[-1]] = target

    def defined_in(path, seen=()):
        """The file that an imported path comes from, through re-exports."""
        for size in range(len(path), 0, -1):
            if path[:size] in files:
                rest = path[size:]
                target = exports.get(path[:size], {}).get(rest[0]) if rest else None
                if target and target not in seen:
                    return defined_in(target, (*seen, target))
                return path[:size]
        return None

    arrows, faults = {}, []
    for name, path in files.items():
        for target in imports(production(path), name):
            found = defined_in(target)
            # What stands in a folder may use the words of its mod.rs, and mod.rs its parts.
            if found is None or found == name or found == name[:len(found)] or name == found[:len(name)]:
                continue
            arrows.setdefault(name, set()).add(found)
            here, there = name[0], found[0]
            for unknown in {here, there} - set(ORDER):
                faults.append(f"{unknown} has no place in the order of .ci/structure.py")
            if {here, there} <= set(ORDER) and ORDER.index(there) > ORDER.index(here):
                faults.append(f"{'::'.join(name)} imports {'::'.join(found)}, which stands above it")
    faults += [" -> ".join("::".join(part) for part in circle) for circle in circles(arrows)]
    for fault in sorted(set(faults)):
        print(fault)
    print(f"{len(files)} files, {sum(map(len, arrows.values()))} imports between them, {len(set(faults))} faults")
    sys.exit(bool(faults))


def circles(arrows):
    """One circle for each group of files that reach one another."""
    found, done = [], set()

    def walk(name, way):
        if name in way:
            found.append([*way[way.index(name):], name])
            return
        if name in done:
            return
        for target in sorted(arrows.get(name, ())):
            walk(target, [*way, name])
        done.add(name)

    for name in sorted(arrows):
        walk(name, [])
    return found


main()
