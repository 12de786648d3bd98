"""hizumi (歪み, distortion): learn what normal looks like from normal data alone, then show what is not.

from hizumi import Inspector

inspector = Inspector("reconstruction", false_alarm_rate=0.01).fit("photos/of/good/parts")
for verdict in inspector.inspect("photos/of/new/parts"):
    print(verdict.name, verdict.anomalous, verdict.p_value)
"""

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from hizumi.calibration import Calibration, Verdict
    from hizumi.data import Manifest, open_source
    from hizumi.errors import HizumiError
    from hizumi.generation import Modeller
    from hizumi.inspection import Inspection, Inspector, load, save
    from hizumi.training import Budget, TrainingOptions
    from hizumi.version import __version__

# Loaded when first asked for: the command line starts without torch.
_HOMES = {
    "Budget": "training",
    "Calibration": "calibration",
    "HizumiError": "errors",
    "Inspection": "inspection",
    "Inspector": "inspection",
    "Manifest": "data",
    "Modeller": "generation",
    "TrainingOptions": "training",
    "Verdict": "calibration",
    "__version__": "version",
    "load": "inspection",
    "open_source": "data",
    "save": "inspection",
}

__all__ = [
    "Budget",
    "Calibration",
    "HizumiError",
    "Inspection",
    "Inspector",
    "Manifest",
    "Modeller",
    "TrainingOptions",
    "Verdict",
    "__version__",
    "load",
    "open_source",
    "save",
]


def __getattr__(name: str) -> _typing.Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hizumi' has no attribute {name!r}")
    return getattr(_importlib.import_module(f"hizumi.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
