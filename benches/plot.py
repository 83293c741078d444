#!/usr/bin/env python3
"""Draws what the benches have measured as SVG files under benches/plots, with nothing but Python's own library.

Run after `cargo bench`: `benches/plot.py`. The pictures follow the reader's choice of light or dark.
"""

from html import escape
from math import log

from results import HERE, RECORDINGS, read

# Name in the ids of the benches: name for readers, class of its colour.
FORWARD = {
    "raw": ("raw disk: two durable writes", "raw"),
    "plain": ("voicemail, plain text", "plain"),
    "tls": ("voicemail, TLS", "tls"),
    "lettre": ("lettre’s pooled transport, TLS", "lettre"),
}
INTAKE = {
    "bare-plain": ("bare receiver, plain text", "bare"),
    "plain": ("voicemail’s intake, plain text", "plain"),
    "bare-tls": ("bare receiver, TLS", "bare-tls"),
    "tls": ("voicemail’s intake, TLS", "tls"),
    "raw": ("raw disk: one durable write", "raw"),
}

WAY = "from the end of a recording to the Maildir of another node"


def main():
    results = read()
    (HERE / "plots").mkdir(exist_ok=True)

    over_concurrency = "Messages a second over messages under way"
    panels = [Panel(f"{title} · {size} kB", by_concurrency(results.get(f"forward/{name}", {}), FORWARD), log) for name, title, size in RECORDINGS]
    save("forward_concurrency", over_concurrency, WAY, FORWARD, panels, "at once")

    panels = [Panel(f"{at_once} at once" if at_once > 1 else "1 at a time", by_size(results, at_once), float) for at_once in (1, 4, 16)]
    save("forward_size", "Megabytes of sound a second over size of recording", WAY, FORWARD, panels, "kB of sound a message")

    panels = [Panel(f"{title} · {size} kB", by_concurrency(results.get(f"intake/{name}", {}), INTAKE), log) for name, title, size in RECORDINGS]
    taken_in = "Messages a second taken in, over connections"
    save("intake_concurrency", taken_in, "kept durably in a Maildir before each 250", INTAKE, panels, "connections")


class Panel:
    """One diagram: for each series, points of label, value, low and high; `scale` says where along the axis a label stands."""

    def __init__(self, title, series, scale):
        self.title = title
        self.scale = scale
        self.series = {name: points for name, points in series.items() if points}
        self.labels = sorted({label for points in self.series.values() for label, *_ in points})

    def top(self):
        return nice(max(high for points in self.series.values() for *_, high in points))


def by_concurrency(group, names):
    def point(at_once, result):
        return (at_once, result.rate, result.elements / result.high, result.elements / result.low)

    return {name: [point(*item) for item in sorted(group.get(name, {}).items())] for name in names}


def by_size(results, at_once):
    series = {}
    for name in FORWARD:
        found = [(size, results.get(f"forward/{recording}", {}).get(name, {}).get(at_once)) for recording, _, size in RECORDINGS]
        series[name] = [(size, r.bytes / r.median / 1e6, r.bytes / r.high / 1e6, r.bytes / r.low / 1e6) for size, r in found if r]
    return series


def nice(value):
    """A round number at or above `value`, four or five steps of a round number."""
    step = 10 ** (len(str(int(value))) - 1)
    step = next(s for s in (step / 10, step / 5, step / 4, step / 2, step, step * 2) if value / s <= 5)
    steps = -int(-value // step)
    return step * steps, step


def save(name, title, subtitle, names, panels, unit):
    panels = [panel for panel in panels if panel.series]
    if not panels:
        return print(f"{name}: nothing is measured")
    shown = [series for series in names if any(series in panel.series for panel in panels)]
    width, height, gap = 300, 230, 34
    left, top = 26, 76 + 22 * -(-len(shown) // 2)
    full_width = left * 2 + len(panels) * width + (len(panels) - 1) * gap
    full_height = top + height + 78
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full_width} {full_height}" width="{full_width}" height="{full_height}" '
        f'role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{full_width}" height="{full_height}" rx="12"/>',
        f'<text class="title" x="{left}" y="38">{escape(title)}</text>',
        f'<text class="subtitle" x="{left}" y="60">{escape(subtitle)}</text>',
    ]
    column = min(330, (full_width - 2 * left) / 2)
    for n, series in enumerate(shown):
        x, y = left + (n % 2) * column, 88 + 22 * (n // 2)
        out.append(f'<g class="{names[series][1]}"><path class="line" d="M{x} {y}h32"/><circle cx="{x + 16}" cy="{y}" r="4"/></g>')
        out.append(f'<text class="legend" x="{x + 42}" y="{y + 4}">{escape(names[series][0])}</text>')
    for n, panel in enumerate(panels):
        out += draw(panel, names, left + n * (width + gap), top + 30, width, height, unit)
    out.append("</svg>\n")
    (HERE / "plots" / f"{name}.svg").write_text("\n".join(out))
    print(f"plots/{name}.svg")


def draw(panel, names, x, y, width, height, unit):
    """A panel's lines, with its left upper corner at `x`, `y`."""
    top, step = panel.top()
    inner_left, inner_right = x + 46, x + width - 52
    bottom = y + height - 20
    first, last = panel.scale(panel.labels[0]), panel.scale(panel.labels[-1])
    across = (inner_right - inner_left) / ((last - first) or 1)
    at_x = {label: inner_left + (panel.scale(label) - first) * across for label in panel.labels}

    def at_y(value):
        return bottom - value / top * (height - 40)

    out = [f'<text class="panel" x="{x}" y="{y}">{escape(panel.title)}</text>']
    for n in range(round(top / step) + 1):
        line_y = at_y(n * step)
        out.append(f'<path class="{"axis" if n == 0 else "grid"}" d="M{inner_left - 8:.1f} {line_y:.1f}H{inner_right + 8:.1f}"/>')
        out.append(f'<text class="tick end" x="{inner_left - 14:.1f}" y="{line_y + 4:.1f}">{number(n * step)}</text>')
    for label, label_x in at_x.items():
        out.append(f'<text class="tick middle" x="{label_x:.1f}" y="{bottom + 20}">{label}</text>')
    out.append(f'<text class="unit middle" x="{(inner_left + inner_right) / 2:.1f}" y="{bottom + 38}">{unit}</text>')

    ends = []
    for series, points in panel.series.items():
        path = " L".join(f"{at_x[label]:.1f} {at_y(value):.1f}" for label, value, *_ in points)
        out.append(f'<g class="{names[series][1]}"><path class="line" d="M{path}"/>')
        for label, value, low, high in points:
            out.append(f'<path class="whisker" d="M{at_x[label]:.1f} {at_y(low):.1f}V{at_y(high):.1f}"/>')
            out.append(f'<circle cx="{at_x[label]:.1f}" cy="{at_y(value):.1f}" r="4"/>')
        out.append("</g>")
        ends.append([at_y(points[-1][1]), points[-1][1], names[series][1]])
    for label_y, value, colour in apart(ends, 15):
        out.append(f'<text class="value {colour}" x="{inner_right + 13:.1f}" y="{label_y + 4:.1f}">{number(value)}</text>')
    return out


def apart(ends, least):
    """The same labels, moved as little as it takes to have `least` between them; none below the lowest place."""
    ends.sort()
    floor = ends[-1][0]
    for above, below in zip(ends, ends[1:]):
        below[0] = max(below[0], above[0] + least)
    ends[-1][0] = min(ends[-1][0], floor + least)
    for below, above in zip(ends[::-1], ends[-2::-1]):
        above[0] = min(above[0], below[0] - least)
    return ends


def number(value):
    """With a thin space for thousands."""
    return f"{value:,.0f}".replace(",", "\u202f") if value >= 10 or value == int(value) else f"{value:.1f}"


LIGHT = {"paper": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "grid": "#e6eaef", "axis": "#9aa4af",
         "raw": "#6e7781", "plain": "#1a9382", "tls": "#1f6feb", "lettre": "#d9480f", "bare": "#a47c00", "bare-tls": "#8250df"}
DARK = {"paper": "#0d1117", "ink": "#f0f6fc", "soft": "#9198a1", "grid": "#21262d", "axis": "#57606a",
        "raw": "#9aa4af", "plain": "#4fd1c1", "tls": "#58a6ff", "lettre": "#ff8552", "bare": "#e3b341", "bare-tls": "#bc8cff"}
SERIES = ["raw", "plain", "tls", "lettre", "bare", "bare-tls"]


def colours(of):
    """The rules that a choice of colours makes; written out, because not every viewer knows variables."""
    rules = [f"circle {{ stroke: {of['paper']} }}", f".paper {{ fill: {of['paper']} }}", f"text {{ fill: {of['ink']} }}",
             f".subtitle, .tick, .unit {{ fill: {of['soft']} }}", f".grid {{ stroke: {of['grid']} }}", f".axis {{ stroke: {of['axis']} }}"]
    for one in SERIES:
        rules += [f".{one} .line, .{one} .whisker {{ stroke: {of[one]} }}", f".{one} circle, .value.{one} {{ fill: {of[one]} }}"]
    return "\n".join(rules)


STYLE = f"""
text {{ font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; font-variant-numeric: tabular-nums }}
.title {{ font-size: 19px; font-weight: 600 }} .subtitle, .legend {{ font-size: 13px }} .panel {{ font-size: 13px; font-weight: 600 }}
.tick, .unit {{ font-size: 11px }} .end {{ text-anchor: end }} .middle {{ text-anchor: middle }} .value {{ font-weight: 600 }}
.line {{ fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }} circle {{ stroke-width: 1.5 }}
.whisker {{ stroke-width: 6; stroke-opacity: .25; stroke-linecap: round }}
.raw .line {{ stroke-dasharray: 1 6 }} .bare .line, .bare-tls .line {{ stroke-dasharray: 8 5 }}
{colours(LIGHT)}
@media (prefers-color-scheme: dark) {{
{colours(DARK)}
}}
"""

if __name__ == "__main__":
    main()
