"""Drawing a figure by its name."""

from importlib import import_module

from hizumi.report.gallery.names import refuse_unknown_figure
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import styled

IN_MODULES_OF_THEIR_OWN = ("taxonomy", "saturation", "game", "mode_collapse")


@styled
def draw(name: str, setting: Setting) -> dict[str, bytes]:
    """Files of one figure, by file name: PNG, and GIF for animations. Raises UsageError for an unknown name."""
    refuse_unknown_figure(name)
    home = import_module(f"hizumi.report.gallery.{name if name in IN_MODULES_OF_THEIR_OWN else 'images'}")
    files: dict[str, bytes] = getattr(home, name)(setting)
    return files
