"""The picture of a run: time to all against the number of users, everybody in one.

Imported only where matplotlib is: `make bench` installs it, `make setup` does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.bench.base import Base
from tests.bench.row import Row


def plot(path: Path, rows: Iterable[Row], base: Base | None) -> None:
    """Draw it."""
    figure = Figure(figsize=(12, 6), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        name = f"{row.name}, {row.delay_ms:g} ms away" if row.delay_ms else row.name
        lines.setdefault(name, []).append((row.users, row.median))
    for name, points in lines.items():
        points.sort()
        ours = name.startswith("shoal")
        axes.plot(
            *zip(*points, strict=True), marker="o", linewidth=2.5 if ours else 1.2, label=name, zorder=3 if ours else 2
        )
    users = sorted({count for points in lines.values() for count, _ in points})
    if base is not None and users:
        floor = [base.floors.sum / 1000 + (count - 1) / base.ceiling * 1000 for count in users]
        axes.plot(
            users, floor, linestyle="--", color="black", label="floor: one order's sum, then the bare HTTP client"
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="users",
        ylabel="ms from the signal to the last accepted order",
        title="Time to all users",
    )
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1))
    figure.tight_layout()
    figure.savefig(path)
