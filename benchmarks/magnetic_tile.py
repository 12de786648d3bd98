"""Magnetic tile with its groups named, for `hizumi compare tiles.npz`.

    python benchmarks/magnetic_tile.py magnetic_tile_128.npz tiles.npz

Each tile was photographed under up to six exposures. With the groups named, no tile has photographs both among the
training and among the calibration images, which is what a false-alarm rate for new tiles needs.
"""

import sys

import numpy as np


def main() -> None:
    source, destination = sys.argv[1:]
    with np.load(source, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in ("x", "cls", "split", "group", "mask")}
    good = arrays["cls"] == "Free"
    kept = good | (arrays["split"] == "test")  # defective training tiles are never used
    np.savez_compressed(
        destination,
        x=arrays["x"][kept],
        kind=np.where(good, "good", arrays["cls"])[kept],
        label=(~good).astype(int)[kept],
        split=arrays["split"][kept],
        group=arrays["group"].astype(str)[kept],
        mask=np.unpackbits(arrays["mask"], axis=-1)[..., : arrays["x"].shape[2]].astype(bool)[kept],
    )


if __name__ == "__main__":
    main()
