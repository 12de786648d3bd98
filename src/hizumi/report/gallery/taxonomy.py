"""The catalogue as a tree by the treatment of the density, as in Goodfellow's tutorial (NIPS 2016)."""

from matplotlib.axes import Axes

from hizumi.registry import find_models
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import DEFECT, GOOD, INK, LINE, MUTED, new_figure, png, styled

BRANCHES = {
    "explicit, tractable": ("explicit density", "tractable", "the likelihood itself"),
    "explicit, approximate": ("explicit density", "approximate", "a bound, or an energy"),
    "implicit": ("implicit density", "", "samples, no density"),
    "image to image": ("image to image", "", "one image from another"),
}
LINE_HEIGHT = 0.24  # inches


@styled
def taxonomy(setting: Setting) -> dict[str, bytes]:
    """Every model of the catalogue, by how it treats the density of the data."""
    members: dict[str, list[str]] = {family: [] for family in BRANCHES} | _by_family()
    rows = sum(max(1, len(names)) + 1 for names in members.values())
    figure = new_figure(7.4, LINE_HEIGHT * rows + 0.3)
    axes = figure.subplots()
    axes.set(xlim=(0, 7.4), ylim=(rows, -0.6))
    axes.set_axis_off()
    row, joints = 0.0, []
    for family, names in members.items():
        trunk, kind, about = BRANCHES.get(family, (family, "", ""))
        middle = row + (len(names) - 1) / 2
        joints.append((middle, trunk))
        label = f"{trunk}\n{kind}" if kind else trunk
        axes.text(2.0, middle, label, color=INK, weight="bold", va="center", fontsize=10)
        axes.text(2.0, middle + (1.35 if kind else 0.95), about, color=MUTED, va="center", fontsize=8)
        for place, name in enumerate(names):
            _branch(axes, (3.95, middle), (4.5, row + place))
            paper = find_models()[name].card.paper
            axes.text(4.56, row + place, find_models()[name].__name__, color=GOOD, va="center", fontsize=9.5)
            axes.text(7.4, row + place, paper.rsplit(" ", 1)[-1], color=MUTED, va="center", ha="right", fontsize=8)
        row += max(1, len(names)) + 1
    root = (joints[0][0] + joints[-1][0]) / 2
    for middle, _ in joints:
        _branch(axes, (1.25, root), (1.93, middle))
    axes.text(0, root, "Generative\nmodels", color=DEFECT, weight="bold", va="center", fontsize=12)
    return {"taxonomy.png": png(figure)}


def _by_family() -> dict[str, list[str]]:
    families: dict[str, list[str]] = {}
    for name, model in find_models().items():
        if model.card.family in BRANCHES:
            families.setdefault(model.card.family, []).append(name)
    return {
        family: sorted(names, key=lambda name: find_models()[name].card.paper[-4:])
        for family, names in families.items()
    }


def _branch(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    middle = (start[0] + end[0]) / 2
    axes.plot([start[0], middle, middle, end[0]], [start[1], start[1], end[1], end[1]], color=LINE, linewidth=1.6)
