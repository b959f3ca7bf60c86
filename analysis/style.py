"""How figures look: colours of arms, markers of verdicts, panels, and lines that every figure shares."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter
from matplotlib.typing import RcKeyType
from PIL import Image

from analysis.words import clipped, in_order

INK, FAINT, RULE = "#22262b", "#8a919a", "#b3261e"

COLOURS = {
    "base": "#4d4d4d",
    "no_augmentation": "#aa4499",
    "dropout": "#e69f00",
    "weight_decay": "#999933",
    "mixup": "#56b4e9",
    "c_mixup": "#332288",
    "set_sum": "#0072b2",
    "sets_of_2": "#88ccee",
    "sets_of_4": "#0072b2",
    "set_sum_dropout": "#009e73",
    "set_sum_large": "#cc79a7",
    "blank_only": "#d55e00",
    "bias_penalty": "#882255",
}
"""Okabe and Ito's palette, distinguishable by colour-blind readers (yellow replaced: too pale on white)."""
REFERENCES = ("mean predictor", "threshold rule", "histogram ridge")
IN_THE_DARK = {
    "#4d4d4d": "#c4c9cf",
    "#999933": "#b9b94f",
    "#332288": "#9d8cf0",
    "#0072b2": "#3d9be0",
    "#d55e00": "#f07a2a",
    "#882255": "#d9679f",
    "#aa4499": "#d079c1",
    "#117733": "#4dae6a",
    "#661100": "#c9684f",
}
"""Hues of live figures on a dark page, where these would be too dark."""
IN_TITLE, IN_LEGEND = 60, 36
"""Letters of a line in a figure's titles and in its legend."""
OTHERS = ("#661100", "#117733", "#6699cc")

MANY = 1000
"""Trials in a figure from which it draws them as pixels: as vectors, thousands choke a browser."""
PIXELS = f" Trials of more than {MANY:,} are drawn smaller and as pixels, every one of them."

MARKERS = {"converged": "o", "improving": "^", "stuck": "X", "not judged": "s"}
"""Marker of each verdict of a training, the same in every figure."""

SETTINGS: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8eaed",
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "xtick.minor.size": 2.0,
    "ytick.minor.size": 2.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # The same bytes for the same figure.
    "svg.hashsalt": "setsum",
}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorator of a figure function: it draws in the settings above, whatever the user's are."""

    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _settings():
            figure = draw(*args, **kwargs)
            _keep_names_short(figure)
            # Laid out once: saving twice would lay out twice, which takes most of the time.
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            return figure

    return drawn


@contextmanager
def _settings() -> Iterator[None]:
    """Matplotlib in the settings above; while saving too, since ticks are made when they are needed."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def small(figure: Figure) -> bytes:
    """The figure as a PNG of at most 128 colours, a fraction of its size: for pages that hold many."""
    stream, smaller = BytesIO(), BytesIO()
    with _settings():
        figure.savefig(stream, format="png", dpi=120)
    Image.open(stream).convert("RGB").quantize(128).save(smaller, format="png", optimize=True)
    return smaller.getvalue()


def _keep_names_short(figure: Figure) -> None:
    """Names are a study's own: none may take a figure's room or be read as a formula, whatever it holds."""
    axes = [axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis)]
    ticks = {label for axis in axes for label in axis.get_ticklabels(which="both")}
    in_legends = {text for legend in figure.findobj(Legend) for text in legend.get_texts()}
    for text in set(figure.findobj(Text)) - ticks:
        most = IN_LEGEND if text in in_legends else IN_TITLE
        text.set_parse_math(False)
        text.set_text(_short_lines(text.get_text(), most))


def _short_lines(text: str, most: int) -> str:
    return "\n".join(clipped(line, most) for line in text.split("\n"))


def saved(figure: Figure, kind: str) -> bytes:
    """The figure as `svg` or `png`; the same bytes for the same figure, whenever it is drawn."""
    stream = BytesIO()
    with _settings():
        # In an SVG only thousands of points are pixels; finer ones would make a report of many megabytes.
        dpi, metadata = (100, {"Date": None}) if kind == "svg" else (160, None)
        figure.savefig(stream, format=kind, dpi=dpi, metadata=metadata)
    return stream.getvalue()


def colour(arm: str) -> str:
    """The arm's colour; arms of the user's own get one by their name."""
    if arm in REFERENCES:
        return FAINT
    return COLOURS.get(arm) or OTHERS[sum(arm.encode()) % len(OTHERS)]


def verdict_of(value: object) -> str:
    """A verdict, or `not judged` where there is none."""
    return value if isinstance(value, str) and value in MARKERS else "not judged"


def panels(
    count: int, *, width: float = 2.6, height: float = 2.5, most: int = 4, shared: bool = True
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` equal panels in rows of at most `most`, axes shared or not."""
    rows = math.ceil(max(count, 1) / most)
    columns = math.ceil(max(count, 1) / rows)
    figure = Figure(figsize=(max(4.6, width * columns), height * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=shared, sharey=shared, squeeze=False)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    for lowest in axes[max(0, count - columns) : count]:
        lowest.tick_params(labelbottom=True)
    return figure, axes[:count]


def log_y(axis: Axes) -> None:
    """A logarithmic y axis with plain numbers at 1, 2 and 5 times the powers of ten."""
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.yaxis.set_minor_formatter(
        FuncFormatter(lambda value, _: f"{value:,g}" if f"{value:e}"[0] in "25" else "")
    )


def legend_of(
    figure: Figure, arms: Iterable[str], verdicts: Iterable[str], extra: Iterable[Line2D] = ()
) -> None:
    """One legend below the figure: colours are arms, shapes are verdicts."""
    seen = set(verdicts)
    handles = [Line2D([], [], marker="o", ls="", color=colour(arm), label=arm) for arm in in_order(arms)]
    handles += [
        Line2D([], [], marker=marker, ls="", mfc="none", mec=INK, label=verdict)
        for verdict, marker in MARKERS.items()
        if verdict in seen
    ]
    columns = int(figure.get_size_inches()[0] / 1.75)
    figure.legend(
        handles=[*handles, *extra], loc="outside lower center", ncols=columns, fontsize=8, handletextpad=0.4
    )
