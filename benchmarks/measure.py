"""How benchmarks measure and what they say: interleaved rounds, medians, the machine, a table, a file.

A ratio is the median over rounds of one candidate's time by another's in the same round, so that a
machine that slows down half way slows both.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from study.regression.precision import fastest_precision

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "numpy", "ray", "optuna", "nibabel", "monai", "torchio", "isal")
WIDTH = 170


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured figure: ours beside a peer's or a bound's, and what was to be reached.

    Args:
        what: What was measured.
        ours: Median.
        unit: Of `ours` and `other`.
        against: The peer or bound, measured in the same run; empty where there is none.
        other: Its median.
        ratio: What the target speaks about; ours by other, or other by ours for "times faster".
        spread: Quartiles of the ratio over the rounds.
        target: For example `<= 1.15`; empty where none was set.
    """

    what: str
    ours: float
    unit: str
    against: str = ""
    other: float = float("nan")
    ratio: float = float("nan")
    spread: tuple[float, float] = (float("nan"), float("nan"))
    target: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the target holds; None without one."""
        if not self.target:
            return None
        sign, value = self.target.split()
        return self.ratio <= float(value) if sign == "<=" else self.ratio >= float(value)


def interleaved(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int = 2
) -> dict[str, np.ndarray]:
    """Seconds (rounds,) of each candidate; every round runs each once, in turning order."""
    names = list(candidates)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-warmup, rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            start = time.perf_counter()
            candidates[name]()
            elapsed = time.perf_counter() - start
            if number >= 0:
                seconds[name].append(elapsed)
    return {name: np.array(values) for name, values in seconds.items()}


def compared(
    what: str,
    ours: np.ndarray,
    against: str,
    other: np.ndarray,
    *,
    target: str = "",
    unit: str = "ms",
    faster: bool = False,
    scale: float = 1e3,
) -> Row:
    """A row of two candidates timed together; `faster` asks how many times faster ours is."""
    ratios = other / ours if faster else ours / other
    low, high = np.quantile(ratios, [0.25, 0.75])
    return Row(
        what=what,
        ours=float(np.median(ours)) * scale,
        unit=unit,
        against=against,
        other=float(np.median(other)) * scale,
        ratio=float(np.median(ratios)),
        spread=(float(low), float(high)),
        target=target,
    )


@lru_cache(maxsize=1)
def machine_class() -> str:
    """What decides which targets hold here: the fastest arithmetic of the processor.

    `amx` has bfloat16 tiles, `avx512-bf16` convolves faster in bfloat16 without them. A processor may
    list the bfloat16 instructions and run them at half the rate of float32: then it is `no-bf16`.
    """
    if torch.cpu._is_amx_tile_supported():
        return "amx"
    listed = torch.cpu._is_avx512_bf16_supported()
    return "avx512-bf16" if listed and fastest_precision((32, 32, 32), 4) == "bfloat16" else "no-bf16"


def machine() -> dict[str, object]:
    """Hardware and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": models[0] if models else platform.processor(),
        "class": machine_class(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def publish(
    name: str, title: str, rows: Sequence[Row], notes: Sequence[str] = (), figure: Figure | None = None
) -> None:
    """Print the table and store it as NAME.json and NAME.txt, a figure as NAME.svg and NAME.png, in
    benchmarks/results/CLASS of the machine."""
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in ("what", "ours", "against", "measured", "ratio [quartiles]", "target", "reached"):
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, _cells(row)))
    host = machine()
    folder = RESULTS / machine_class()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.txt").open("w") as stream:
        for console in (Console(width=WIDTH), Console(width=WIDTH, file=stream)):
            console.print(table)
            for line in (
                *notes,
                f"{host['cpu']} ({host['class']}), {host['cores']} cores; {_versions(host)}",
            ):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
    content = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": host,
        "rows": [{**asdict(row), "reached": row.reached} for row in rows],
        "notes": list(notes),
    }
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    if figure is None:
        return
    with mpl.rc_context({"svg.hashsalt": "setsum"}):
        for ending in ("svg", "png"):
            figure.savefig(folder / f"{name}.{ending}", dpi=150)


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Slope of log(values) over log(sizes)."""
    slope, _ = np.polyfit(np.log(np.asarray(sizes, float)), np.log(np.asarray(values, float)), 1)
    return float(slope)


def _cells(row: Row) -> tuple[str, ...]:
    nothing = not row.against
    return (
        row.what,
        f"{row.ours:.4g} {row.unit}",
        row.against,
        "" if nothing else f"{row.other:.4g} {row.unit}",
        _ratio(row),
        row.target,
        {None: "", True: "yes", False: "NO"}[row.reached],
    )


def _ratio(row: Row) -> str:
    if np.isnan(row.ratio):
        return ""
    low, high = row.spread
    return f"{row.ratio:.3g}" if np.isnan(low) else f"{row.ratio:.3g} [{low:.3g}, {high:.3g}]"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except ModuleNotFoundError:
        return None


def _versions(host: Mapping[str, object]) -> str:
    versions = host["versions"]
    assert isinstance(versions, dict)
    return ", ".join(f"{name} {number}" for name, number in versions.items() if number)
