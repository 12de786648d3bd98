"""Inspection: the whole line as one estimator, and the file it is kept in."""

from hizumi.inspection.bundle import load, save
from hizumi.inspection.inspector import Inspection, Inspector
from hizumi.inspection.scoring import Failure
from hizumi.inspection.specification import construct, specification_from, specify

__all__ = ["Failure", "Inspection", "Inspector", "construct", "load", "save", "specification_from", "specify"]
