"""Export: a fitted inspector as one graph with its calibration, which scores the same without torch."""

from hizumi.export.exporting import Exported as Exported, export as export
from hizumi.export.parity import Parity as Parity
