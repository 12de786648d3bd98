"""What is written is what `decode` reads."""

from pathlib import Path

import numpy as np
import pytest

from hizumi.data import decode
from hizumi.data.encoding import encoded


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_round_trip(dtype: type, channels: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = (rng.random((6, 5, channels)) * (1 if dtype is np.float32 else np.iinfo(dtype).max)).astype(dtype)
    suffix, content = encoded(pixels)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    np.testing.assert_array_equal(decode(path).pixels, pixels)
    assert (suffix == ".png") == ((dtype is np.uint8 and channels in (1, 3)) or (dtype is np.uint16 and channels == 1))
