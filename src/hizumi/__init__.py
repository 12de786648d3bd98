"""hizumi (歪み, distortion): learn what normal looks like from normal data alone, then show what is not.

from hizumi import Inspector

inspector = Inspector(false_alarm_rate=0.01).fit("photos/of/good/parts")
for verdict in inspector.inspect("photos/of/new/parts"):
    print(verdict.name, verdict.anomalous, verdict.p_value)
"""

import typing as _typing

from hizumi.lazy import lazily as _lazily

if _typing.TYPE_CHECKING:
    from hizumi.bundles import load as load, save as save
    from hizumi.calibration import Calibration as Calibration, Verdict as Verdict
    from hizumi.data import Manifest as Manifest, open_source as open_source
    from hizumi.errors import HizumiError as HizumiError
    from hizumi.generation import Modeller as Modeller
    from hizumi.inspection import Inspection as Inspection, Inspector as Inspector
    from hizumi.training import Budget as Budget, TrainingOptions as TrainingOptions
    from hizumi.version import __version__ as __version__

# Loaded when first asked for: the command line starts without torch.
__getattr__, __dir__ = _lazily(
    __name__,
    {
        "bundles": ["load", "save"],
        "calibration": ["Calibration", "Verdict"],
        "data": ["Manifest", "open_source"],
        "errors": ["HizumiError"],
        "generation": ["Modeller"],
        "inspection": ["Inspection", "Inspector"],
        "training": ["Budget", "TrainingOptions"],
        "version": ["__version__"],
    },
)
__all__ = __dir__()
