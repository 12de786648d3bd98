"""From scores of held-out good images to thresholds, p-values and verdicts; numpy, and scipy where a rule needs it."""

from hizumi.calibration.calibration import RULES as RULES, Calibration as Calibration, check_rule as check_rule
from hizumi.calibration.threshold import Threshold as Threshold
from hizumi.calibration.verdict import Box as Box, Verdict as Verdict, boxes_over as boxes_over
