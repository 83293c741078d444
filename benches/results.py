"""What criterion has measured, read from its own files."""

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))

# In the order in which tables and plots show them: name in the ids of the benches, name for readers, kB of sound.
RECORDINGS = [("5s-mulaw", "5 s mu-law", 40), ("30s-mulaw", "30 s mu-law", 240), ("30s-16bit", "30 s 16-bit", 480)]


class Result(NamedTuple):
    """One benchmark's newest result; times in seconds."""

    median: float
    low: float
    high: float
    elements: int
    bytes: int

    @property
    def rate(self):
        """Elements a second."""
        return self.elements / self.median

    @property
    def byte_rate(self):
        """Bytes a second."""
        return self.bytes / self.median


def read():
    """All results: group, then function, then value."""
    results = defaultdict(lambda: defaultdict(dict))
    for path in sorted((TARGET / "criterion").rglob("new/benchmark.json")):
        benchmark = json.loads(path.read_text())
        median = json.loads((path.parent / "estimates.json").read_text())["median"]
        interval = median["confidence_interval"]
        nanos = (median["point_estimate"], interval["lower_bound"], interval["upper_bound"])
        throughput = benchmark["throughput"] or {}
        both = throughput.get("ElementsAndBytes", {})
        elements = both.get("elements", throughput.get("Elements", 1))
        size = both.get("bytes", throughput.get("Bytes", 0))
        value = benchmark["value_str"] or ""
        value = int(value) if value.isdigit() else value
        results[benchmark["group_id"]][benchmark["function_id"]][value] = Result(*(n / 1e9 for n in nanos), elements, size)
    return results
