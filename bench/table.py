"""The findings as one table of Markdown, to read in a terminal and to keep in the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from bench.figures import Finding, factor

HEADINGS = ("what", "goal", "measured: median (min–max)", "Kist", "peer", "verdict")


def table(findings: Sequence[Finding]) -> str:
    lines = [HEADINGS, *map(_cells, findings)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEADINGS))]
    written = [_line([cell.ljust(width) for cell, width in zip(line, widths, strict=True)]) for line in lines]
    return "\n".join([written[0], _line(["-" * width for width in widths]), *written[1:]])


def _cells(finding: Finding) -> tuple[str, ...]:
    measured = finding.measured.text(factor if finding.unit == "×" else lambda value: f"{value:.1f}")
    goal = finding.goal.text() if finding.goal else ""
    return (finding.what, goal, f"{measured} {finding.unit}", finding.ours, finding.theirs, finding.verdict)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
