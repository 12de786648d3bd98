"""From scores of held-out good images to thresholds, p-values and verdicts; numpy, and scipy where a rule needs it."""

from hizumi.calibration.adaptive import AdaptiveThreshold as AdaptiveThreshold
from hizumi.calibration.blocks import (
    BlockDrift as BlockDrift,
    BlockWatch as BlockWatch,
    promise_over_blocks as promise_over_blocks,
)
from hizumi.calibration.calibration import Calibration as Calibration
from hizumi.calibration.costs import Costs as Costs
from hizumi.calibration.rules import RULES as RULES, check_rule as check_rule
from hizumi.calibration.statement import Statement as Statement
from hizumi.calibration.threshold import Threshold as Threshold
from hizumi.calibration.verdict import (
    Box as Box,
    Verdict as Verdict,
    boxes_of_alarm as boxes_of_alarm,
    boxes_over as boxes_over,
)
