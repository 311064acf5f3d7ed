"""What was measured, and how it is said: medians, ratios, and the bar that a ratio should reach."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Cell:
    """One subject's results in one row, a value a round; `note` stands behind the median in the table."""

    values: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def spread(self) -> float:
        """How far apart the rounds were: (largest - smallest) / median."""
        return (max(self.values) - min(self.values)) / self.median


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured on several subjects. `bars` say how many times better than a subject (by name) ours should be."""

    name: str
    unit: str
    higher_is_better: bool
    cells: dict[str, Cell]
    ours: str
    bars: dict[str, float] = field(default_factory=dict)
    limit: float | None = None
    """What ours should stay below, in the row's unit."""

    def ratio(self, label: str) -> float:
        """How many times better ours is than this subject."""
        mine, other = self.cells[self.ours].median, self.cells[label].median
        return mine / other if self.higher_is_better else other / mine

    def missed(self) -> list[str]:
        """The bars that ours does not reach, as sentences."""
        found = []
        for label in self.cells:
            bar = self.bars.get(label.split(" ")[0])
            if bar is not None and label != self.ours and self.ratio(label) < bar:
                found.append(f"{self.name}: {self.ratio(label):.2f} times {label}, the bar is {bar:g}")
        mine = self.cells[self.ours].median
        if self.limit is not None and mine >= self.limit:
            found.append(f"{self.name}: {shown(mine)} {self.unit}, the bar is below {shown(self.limit)}")
        return found


def shown(value: float) -> str:
    """Three digits that say something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(rows: Sequence[Row]) -> str:
    """A Markdown table: a line for each subject of each row."""
    lines = ["| what | who | median | rounds apart by | ours is better by | bar |", "|---|---|---:|---:|---:|---:|"]
    for row in rows:
        what = f"{row.name}, {row.unit}"
        for label, cell in row.cells.items():
            note = f" ({cell.note})" if cell.note else ""
            if label == row.ours:
                factor, bar = "", f"< {shown(row.limit)}" if row.limit is not None else ""
                who = f"**{label}**"
            else:
                needed = row.bars.get(label.split(" ")[0])
                factor, bar = f"{row.ratio(label):.2f}", f"{needed:g}" if needed is not None else ""
                who = label
            lines.append(f"| {what} | {who} | {shown(cell.median)}{note} | {cell.spread:.0%} | {factor} | {bar} |")
            what = ""
    return "\n".join(lines)


def machine() -> str:
    """The machine in a line, without its name."""
    model = "unknown processor"
    memory = 0
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal"):
            memory = round(int(line.split()[1]) / 1024 / 1024)
    return f"{_processors()} × {model}, {memory} GB, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def document(rows: Sequence[Row], facts: Sequence[str]) -> str:
    """Date, machine, versions, the table, and what misses its bar."""
    missed = [sentence for row in rows for sentence in row.missed()]
    verdict = ["Every bar is reached."] if not missed else ["Missed:", "", *(f"- {sentence}" for sentence in missed)]
    head = [f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine()}.", "", *(f"- {fact}" for fact in facts)]
    return "\n".join([*head, "", table(rows), "", *verdict])


def write(path: Path, part: str, text: str) -> None:
    """Put `text` between the two marks that a Markdown file has for a part; other parts keep what they have."""
    begin_mark, end_mark = (f"<!-- measured {part}: {which} -->" for which in ("begin", "end"))
    before, begin, rest = path.read_text().partition(begin_mark)
    _, end, after = rest.partition(end_mark)
    if not begin or not end:
        raise SystemExit(f"bench: {path} has no {begin_mark} … {end_mark}")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")
