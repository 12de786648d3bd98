"""Style of the figures: colours that colour-blind readers can tell apart, without global state of pyplot."""

import functools
import io
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK, MUTED, LINE = "#1f2933", "#5b6875", "#e4e8ec"
GOOD, DEFECT, HELD_OUT = "#2f6db5", "#d9601a", "#8fa1b3"
HEAT = "inferno"

_JAPANESE = ("Noto Sans CJK JP", "Noto Sans JP", "Hiragino Sans", "Yu Gothic", "Meiryo", "IPAGothic")
_STYLE: Any = {  # matplotlib types its keys one by one
    # DejaVu Sans comes with matplotlib; a Japanese font draws the kinds and names that it cannot.
    "font.family": ["DejaVu Sans", *(name for name in _JAPANESE if name in fontManager.get_font_names())],
    "font.size": 9.5,
    "text.color": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelcolor": MUTED,
    "axes.edgecolor": "#b8c2cc",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": LINE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "svg.hashsalt": "hizumi",  # equal content gives equal bytes
}

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def styled(draw: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Run a drawing function in the style of this package, whatever the user's matplotlib settings."""

    @functools.wraps(draw)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float, gap: float = 0.04) -> Figure:
    """An empty figure of a size in inches, with a gap in inches around each of its plots."""
    engine = ConstrainedLayoutEngine(w_pad=gap, h_pad=gap, wspace=0.0, hspace=0.0)
    return Figure(figsize=(width, height), layout=engine)


def legend_above(axes: Axes, columns: int = 3) -> None:
    """A legend in one line above the axes, where it covers no data."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=columns, borderaxespad=0.2, columnspacing=1.4)


@styled
def svg(figure: Figure) -> bytes:
    """The figure as SVG, sharp at any size."""
    return _saved(figure, "svg", metadata={"Date": None})


@styled
def png(figure: Figure, dots_per_inch: int = 144) -> bytes:
    """The figure as PNG."""
    return _saved(figure, "png", dpi=dots_per_inch)


def colours(heat: str = HEAT, steps: int = 9) -> list[str]:
    """Evenly spaced colours of a colour map, as "#rrggbb"."""
    return [to_hex(mpl.colormaps[heat](step / (steps - 1))) for step in range(steps)]


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=kind, **options)
    return file.getvalue()
