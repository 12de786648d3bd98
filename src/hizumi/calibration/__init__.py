"""From scores of held-out good images to thresholds, p-values and verdicts; numpy, and scipy where a rule needs it."""

from hizumi.calibration.calibration import RULES, Calibration, check_rule
from hizumi.calibration.threshold import Threshold
from hizumi.calibration.verdict import Box, Verdict, boxes_over

__all__ = ["RULES", "Box", "Calibration", "Threshold", "Verdict", "boxes_over", "check_rule"]
