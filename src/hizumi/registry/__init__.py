"""Registry: models and detectors by name, plug-ins included, and each as plain data."""

import typing as _typing

from hizumi.lazy import lazily as _lazily

if _typing.TYPE_CHECKING:
    from hizumi.registry.finding import (
        detector_class as detector_class,
        find_detectors as find_detectors,
        find_models as find_models,
        model_class as model_class,
    )
    from hizumi.registry.specification import (
        construct as construct,
        make_detector as make_detector,
        make_model as make_model,
        of_bundle as of_bundle,
        specify as specify,
    )

__getattr__, __dir__ = _lazily(
    __name__,
    {
        "finding": ["detector_class", "find_detectors", "find_models", "model_class"],
        "specification": ["construct", "make_detector", "make_model", "of_bundle", "specify"],
    },
)
__all__ = __dir__()
