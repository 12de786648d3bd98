"""Real data, in the folder that the environment variable HIZUMI_DATA names."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Arrays = Callable[[str], dict[str, np.ndarray]]


@pytest.fixture(scope="session")
def real() -> Arrays:
    """The arrays of one file."""
    folder = os.environ.get("HIZUMI_DATA")
    if folder is None:
        pytest.skip("HIZUMI_DATA names no folder with the real data sets")

    def arrays(name: str) -> dict[str, np.ndarray]:
        path = Path(folder) / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"HIZUMI_DATA holds no {name}.npz")
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}

    return arrays
