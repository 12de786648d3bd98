"""Numbers of numpy are saved as the plain numbers that they are.

What is given is checked by its type in tests, where the package is imported by pytest; so all runs in a process of its
own.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

BEGINNING = """
import sys
from pathlib import Path
import numpy as np
from hizumi import Inspector, TrainingOptions, load, save
from hizumi.calibration import Costs
from hizumi.data.variation import Variation
from hizumi.detectors import PCA
from hizumi.inspection.members import FORMAT
from hizumi.preprocessing.preprocessing import upgraded
from hizumi.storage.archive import read_archive

images = np.random.default_rng(0).integers(1, 255, (30, 16, 16), dtype=np.uint8)
path = Path(sys.argv[1])
"""


def run(script: str, folder: Path) -> None:
    whole = BEGINNING + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", whole, folder / "a.hizumi"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("detector", "options"),
    [
        ("'pca'", "false_alarm_rate=f(.1)"),
        ("'pca'", "calibration_share=f(.5), image_size=i(16), pixel_limit=i(10**6)"),
        ("'pca'", "folds=i(3), align=b(False), motion=b(False), nodata=i(0)"),
        ("'pca'", "window=[(f(0), f(255))]"),
        ("PCA(variance_share=f(.9), smoothing=f(1.5))", ""),
        ("'pca'", "training=TrainingOptions(seed=i(3))"),
        ("'pca'", "variation=Variation(shifts=f(.05), turns=i(5))"),
    ],
)
def test_a_bundle_is_the_same(detector: str, options: str, tmp_path: Path) -> None:
    script = f"""
    def kept(f, i, b):
        inspector = Inspector({detector}, {options}).fit(images)
        fields, _ = read_archive(save(inspector, path), "detector", FORMAT, upgraded)
        return {{**fields, "members": None, "options": fields["options"] | {{"fit_seconds": None}}}}

    of_numpy = kept(np.float32, np.int64, np.bool_)
    assert of_numpy == kept(lambda number: float(np.float32(number)), int, bool)
    """
    run(script, tmp_path)


def test_costs_thresholds_and_rates(tmp_path: Path) -> None:
    script = """
    costs = Costs(miss=np.float32(10), alarm=np.int64(1), defect_share=np.float32(.25))
    fitted = Inspector("pca", costs=costs).fit(images, known_defects=255 - images[:9] // 2)
    assert load(save(fitted, path)).costs == Costs(10.0, 1, 0.25)
    for change in ({"false_alarm_rate": np.float32(0.25)}, {"threshold": np.float32(0.5)}):
        fitted.calibrate(**change)
        now, again = fitted.calibration_, load(save(fitted, path)).calibration_
        assert (again.false_alarm_rate, again.threshold.value) == (0.25, now.threshold.value)
        assert (type(now.false_alarm_rate), type(now.threshold.value)) == (float, float)
    """
    run(script, tmp_path)
