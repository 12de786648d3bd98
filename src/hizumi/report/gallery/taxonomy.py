"""The catalogue as a tree by the treatment of the density, as in Goodfellow's tutorial (NIPS 2016)."""

from matplotlib.axes import Axes

from hizumi.registry import find_models
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import DEFECT, GOOD, INK, LINE, MUTED, new_figure, png

BRANCHES = {
    "explicit, tractable": ("explicit density", "tractable", "the likelihood itself"),
    "explicit, approximate": ("explicit density", "approximate", "a bound, or an energy"),
    "implicit": ("implicit density", "", "samples, no density"),
    "codes": ("no density", "", "an item from its code"),
    "image to image": ("image to image", "", "one image from another"),
}
LINE_HEIGHT = 0.24  # inches


def taxonomy(setting: Setting) -> dict[str, bytes]:
    """Every model of the catalogue, by how it treats the density of the data."""
    models = sorted(find_models().values(), key=lambda model: model.card.paper[-4:])
    members = {family: [model for model in models if model.card.family == family] for family in BRANCHES}
    rows = sum(max(1, len(found)) + 1 for found in members.values()) - 1  # none is left empty below the last
    figure = new_figure(7.4, LINE_HEIGHT * rows + 0.3)
    axes = figure.subplots()
    axes.set(xlim=(0, 7.4), ylim=(rows, -0.6))
    axes.set_axis_off()
    row, joints = 0.0, []
    for family, found in members.items():
        trunk, kind, about = BRANCHES[family]
        middle = row + (len(found) - 1) / 2
        joints.append((middle, trunk))
        label = f"{trunk}\n{kind}" if kind else trunk
        axes.text(2.0, middle, label, color=INK, weight="bold", va="center", fontsize=10)
        axes.text(2.0, middle + (1.35 if kind else 0.95), about, color=MUTED, va="center", fontsize=8)
        for place, model in enumerate(found):
            year = model.card.paper.rsplit(" ", 1)[-1]
            _branch(axes, (3.95, middle), (4.5, row + place))
            axes.text(4.56, row + place, model.__name__, color=GOOD, va="center", fontsize=9.5)
            axes.text(7.4, row + place, year, color=MUTED, va="center", ha="right", fontsize=8)
        row += max(1, len(found)) + 1
    root = (joints[0][0] + joints[-1][0]) / 2
    for middle, _ in joints:
        _branch(axes, (1.25, root), (1.93, middle))
    axes.text(0, root, "Generative\nmodels", color=DEFECT, weight="bold", va="center", fontsize=12)
    return {"taxonomy.png": png(figure)}


def _branch(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    middle = (start[0] + end[0]) / 2
    axes.plot([start[0], middle, middle, end[0]], [start[1], start[1], end[1], end[1]], color=LINE, linewidth=1.6)
