import resource
from pathlib import Path

import numpy as np
import pytest

from hizumi.data.cache import PixelCache
from hizumi.data.images import Decoded
from hizumi.errors import SaveError


@pytest.mark.parametrize("side", [100, 500])  # fails when what is buffered is written, and at once
def test_a_full_disk_is_told_with_its_folder_and_the_size_and_leaves_nothing(side: int, tmp_path: Path) -> None:
    cache = PixelCache(tmp_path)

    def fill() -> None:
        for number in range(40):
            cache.add(str(number), Decoded(np.full((side, side, 1), number, np.uint8), ()))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(SaveError, match=f"{tmp_path}: decoded images cannot be written there .* MiB; make room"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
