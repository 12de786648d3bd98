"""Monocrystalline solar cells, for `hizumi compare cells.npz`.

    python benchmarks/elpv.py elpv_96.npz cells.npz

Two thirds of the cells that are surely good train and calibrate; the others, and all that may be defective, test. Kinds
are the probabilities of being defective that experts gave.
"""

import sys

import numpy as np

TEST_SHARE = 1 / 3


def main() -> None:
    source, destination = sys.argv[1:]
    with np.load(source, allow_pickle=False) as archive:
        mono = archive["type"] == "mono"
        images, probability = archive["x"][mono], archive["prob"][mono]
    good = probability == 0
    order = np.random.default_rng(0).permutation(np.flatnonzero(good))
    split = np.full(len(images), "test", dtype="<U5")
    split[order[int(TEST_SHARE * len(order)) :]] = "train"
    np.savez_compressed(
        destination,
        x=images,
        kind=np.where(good, "good", [f"probability {value:.2f}" for value in probability]),
        label=(~good).astype(int),
        split=split,
    )


if __name__ == "__main__":
    main()
