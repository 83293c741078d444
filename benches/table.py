#!/usr/bin/env python3
"""Writes what the benches have measured into the tables of benches/README.md and README.md.

Run after `cargo bench`: `benches/table.py`. It replaces what stands between the lines `<!-- measured -->` and `<!-- /measured -->`.
"""

import os
import platform
import re
import subprocess
import tempfile
from pathlib import Path

from results import HERE, RECORDINGS, TARGET, read


def main():
    results = read()
    parts = [machine(), forwarding(results), senders(results), intake(results), wire(results), processor(), calls(), latency(), ingest(results),
             recovery(results), instructions()]
    fill(HERE / "README.md", "\n\n".join(part for part in parts if part))
    fill(HERE.parent / "README.md", "\n\n".join(part for part in [machine(), summary(results)] if part))


def fill(path, text):
    """Puts `text` between the marks in the file at `path`."""
    old = path.read_text()
    begin, end = "<!-- measured -->", "<!-- /measured -->"
    new, count = re.subn(f"{begin}.*?{end}", lambda _: f"{begin}\n{text}\n{end}", old, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{path.name} has the marks {count} times")
    path.write_text(new)


def table(head, rows):
    """A Markdown table; nothing for no rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def forwarding(results):
    rows = []
    for name, title, size in RECORDINGS:
        group = results.get(f"forward/{name}", {})
        for at_once in (1, 4, 16):
            raw, plain, tls, lettre = (group.get(series, {}).get(at_once) for series in ("raw", "plain", "tls", "lettre"))
            if tls:
                rows.append([f"{title} ({size} kB)", str(at_once), rate(raw), rate(plain), f"**{rate(tls)}**", rate(lettre),
                             percent(tls, raw), times(tls, lettre)])
    head = ["`forward_throughput`", "at once", "`raw`", "`plain`", "`tls`", "`lettre`", "`tls` of `raw`", "`tls` to `lettre`"]
    return table(head, rows)


def senders(results):
    group = results.get("many_senders/30s-mulaw", {})
    raw = group.get("raw", {}).get(16)
    rows = [[str(nodes), rate(raw), f"**{rate(result)}**", percent(result, raw)] for nodes, result in sorted(group.get("nodes", {}).items())]
    return table(["`many_senders`, 30 s mu-law: distributed nodes", "`raw`", "all together, 16 at once", "of `raw`"], rows)


def summary(results):
    rows = []
    for name, title, size in RECORDINGS:
        group = results.get(f"forward/{name}", {})
        if 16 not in group.get("tls", {}):
            continue
        tls, raw, lettre = (group.get(series, {}) for series in ("tls", "raw", "lettre"))
        alone = f"{tls[1].median * 1e3:.1f} ms" if 1 in tls else "–"
        rows.append([f"{title} ({size} kB)", alone, rate(tls.get(4)), f"{rate(tls[16])}, {tls[16].byte_rate / 1e6:.0f} MB/s",
                     percent(tls[16], raw.get(16)), times(tls[16], lettre.get(16))])
    head = ["end to end, `finish` → spool → SMTP over TLS → Maildir → 250", "1 at a time", "4 at once", "16 at once",
            "of `raw` at 16", "to `lettre` at 16"]
    return table(head, rows)


def intake(results):
    rows = []
    for name, title, _ in RECORDINGS:
        group = results.get(f"intake/{name}", {})
        for at_once in (1, 4, 16):
            raw = group.get("raw", {}).get(at_once)
            row = [title, str(at_once), rate(raw)]
            for series in ("plain", "tls"):
                ours, bare = group.get(series, {}).get(at_once), group.get(f"bare-{series}", {}).get(at_once)
                row += [rate(bare), f"**{rate(ours)}**", percent(ours, raw), percent(ours, bare)]
            if raw:
                rows.append(row)
    head = ["`intake_throughput`", "connections", "`raw`", "`bare-plain`", "`plain`", "of `raw`", "of `bare`", "`bare-tls`", "`tls`",
            "of `raw`", "of `bare`"]
    return table(head, rows)


def wire(results):
    group = results.get("wire", {})
    series = ["encode-base64", "base64-encode", "decode-base64", "base64-decode", "sha-256", "encode-binary", "decode-binary", "memcpy"]
    rows = []
    for name, title, _ in RECORDINGS:
        found = [group.get(one, {}).get(name) for one in series]
        if any(found):
            rows.append([title, *(f"{one.byte_rate / 1e9:.2f} GB/s" if one else "–" for one in found)])
    return table(["`wire`", *(f"`{one}`" for one in series)], rows)


def ingest(results):
    group = results.get("record_ingest", {})
    rows = []
    for endings in (1, 16, 256):
        finish, raw, frames = (group.get(series, {}).get(endings) for series in ("finish", "raw", "frames"))
        if finish:
            rows.append([str(endings), millis(finish), millis(raw), f"{frames.rate / 1e6:.1f} million/s" if frames else "–"])
    return table(["`record_ingest`: recordings together", "`finish`, all of them", "`raw`", "`frames`"], rows)


def recovery(results):
    group = results.get("spool_recovery", {})
    rows = [[f"{function}, {value:,}".replace(",", " ") if value != "" else function, millis(result)]
            for function, values in sorted(group.items()) for value, result in sorted(values.items())]
    return table(["`spool_recovery`", "time"], rows)


def processor():
    path = TARGET / "tmp" / "cpu_per_message.md"
    return "`cpu_per_message`:\n\n" + path.read_text().strip() if path.exists() else ""


def calls():
    path = TARGET / "tmp" / "calls.md"
    return path.read_text().strip() if path.exists() else ""


def latency():
    path = TARGET / "tmp" / "lamp_latency.md"
    return path.read_text().strip() if path.exists() else ""


def instructions():
    lines = (HERE / "instructions.txt").read_text().splitlines()
    rows = [[f"`{case}`", f"{int(count):,}".replace(",", " ")] for case, count in (line.split() for line in lines if line[0] != "#")]
    with_what = next(line[2:] for line in lines[1:] if line.startswith("# "))
    return table([f"instructions, {with_what}", "one time"], rows)


def machine():
    """What the figures depend on."""
    processor_name = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    processor_name = processor_name.group(1).strip() if processor_name else platform.machine()
    rustc = " ".join(subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[:2])
    kernel = ".".join(platform.release().split(".")[:2])
    load = f"load average {os.getloadavg()[2]:.1f} in the last 15 minutes, the benches' own included"
    return f"{processor_name}, {os.cpu_count()} cores, Linux {kernel}, {disk()}, {rustc}; {load}; medians."


def disk():
    """The file system under the temporary folder."""
    folder = Path(tempfile.gettempdir()).resolve()
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    device, where, kind, options = max((mount[:4] for mount in mounts if folder.is_relative_to(mount[1])), key=lambda mount: len(mount[1]))
    options = options.split(",")
    journal = Path("/proc/fs/jbd2").is_dir() and any(Path("/proc/fs/jbd2").glob(f"{Path(device).name}-*"))
    words = [kind] + (["without a journal"] if kind == "ext4" and not journal else [])
    words += ["with discard"] if "discard" in options else []
    words += ["on a loop device"] if "loop" in device else []
    return " ".join(words)


def rate(result):
    return f"{result.rate:,.0f}/s".replace(",", " ") if result else "–"


def millis(result):
    return f"{result.median * 1e3:.3g} ms" if result else "–"


def percent(ours, other):
    return f"{ours.rate / other.rate * 100:.0f} %" if ours and other else "–"


def times(ours, other):
    return f"{ours.rate / other.rate:.1f} ×" if ours and other else "–"


if __name__ == "__main__":
    main()
