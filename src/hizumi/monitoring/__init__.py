"""Charts and sequential tests that watch scores, p-values and pictures for drift."""

from hizumi.monitoring.alarm import (
    Acknowledgement as Acknowledgement,
    DriftAlarm as DriftAlarm,
    Moved as Moved,
)
from hizumi.monitoring.alarms import News as News
from hizumi.monitoring.baseline import Baseline as Baseline
from hizumi.monitoring.drawing import ChartState as ChartState
from hizumi.monitoring.records import BaselineChange as BaselineChange, WatchStatus as WatchStatus
from hizumi.monitoring.settings import WatchSettings as WatchSettings
from hizumi.monitoring.watch import DriftWatch as DriftWatch
