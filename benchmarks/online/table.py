"""The comparison as a Markdown table: medians over the rounds, ranges where they matter, ratios of one run."""

from collections.abc import Iterator, Mapping

from benchmarks.online.measure import Spread

Figures = Mapping[str, Spread]

HEADINGS = (
    "server",
    "CPU µs / request (range)",
    "× limit",
    "× ours",
    "requests/s",
    "p50 / p99 / max ms",
    "p50 alone, ms",
    "ready, s",
    "RSS MB, ready → loaded",
    "errors",
)


def lines(measured: Mapping[str, tuple[str, Figures]], missing: Mapping[str, str]) -> Iterator[str]:
    """The lines of the table.

    Args:
        measured: title and figures of each server by its short name.
        missing: title of each server that could not be measured, and why.
    """
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|---" + "|---:" * (len(HEADINGS) - 1) + "|"
    for title, figures in sorted(measured.values(), key=lambda pair: pair[1]["cpu_us"].median):
        yield f"| {' | '.join([title, *cells(figures, measured)])} |"
    for title, reason in missing.items():
        yield f"| {title} | not measured: {' '.join(reason.split())} |" + " |" * (len(HEADINGS) - 2)


def cells(figures: Figures, measured: Mapping[str, tuple[str, Figures]]) -> list[str]:
    """One line without its title."""
    cpu = figures["cpu_us"]
    latency = " / ".join(f"{figures[name].median:.1f}" for name in ("p50_ms", "p99_ms", "max_ms"))
    return [
        f"{cpu.median:,.0f} ({cpu.least:,.0f}–{cpu.most:,.0f})",
        ratio(cpu.median, measured, "limit"),
        ratio(cpu.median, measured, "ours"),
        f"{figures['per_second'].median:,.0f}",
        latency,
        f"{figures['alone_p50_ms'].median:.2f}",
        f"{figures['ready_s'].median:.1f}",
        f"{figures['rss_before_mb'].median:,.0f} → {figures['rss_after_mb'].median:,.0f}",
        f"{figures['errors'].most:,.0f}",
    ]


def ratio(cpu_us: float, measured: Mapping[str, tuple[str, Figures]], to: str) -> str:
    """How many times the CPU of the server `to`; a dash when that one was not measured."""
    if to not in measured:
        return "–"
    return f"{cpu_us / measured[to][1]['cpu_us'].median:.1f}"
