"""Pictures, bundles and archives of the tests, and what is found in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from hizumi.inspection import Inspector, save
from hizumi.runtime.any_bundle import load_inspector
from hizumi.scale.archive import Shard, open_archive
from hizumi.scale.merging import merge, prove
from hizumi.scale.running import score_shard
from hizumi.scale.scoring import BlockScorer
from tests.hard.conftest import save_pictures, stripes

SIDE = 16


def make_pictures(folder: Path, count: int, *, seed: int = 1, defective: int = 7) -> None:
    """Stripes, of which each of so many has a black square."""
    pictures = stripes(np.random.default_rng(seed), count, SIDE)
    pictures[::defective, 4:10, 5:11] = 0
    save_pictures(folder, pictures)


def make_bundle(path: Path) -> Path:
    """PCA on good stripes."""
    good = stripes(np.random.default_rng(0), 60, SIDE)[..., np.newaxis]
    return save(Inspector("pca", false_alarm_rate=0.1).fit(good), path)


def inspect_into(
    folder: Path, bundle: Path, *data: Path | str, shard: str = "0/1", trust_listing: bool = False
) -> BlockScorer:
    """List the data, or go on with them, and score one shard."""
    open_archive(folder, bundle, [str(each) for each in data], trust_listing=trust_listing)
    scorer = BlockScorer(folder)
    score_shard(scorer, Shard.parse(shard))
    return scorer


def merged(folder: Path) -> list[dict[str, Any]]:
    """All rows, once it is proved that they are all."""
    merge(prove(folder), folder / "table.parquet")
    return pq.read_table(folder / "table.parquet").to_pylist()


def refuse_other_rows(rows: Sequence[dict[str, Any]], bundle: Path, data: Any) -> None:
    """Fail where rows are not the verdicts that an inspection in memory gives."""
    verdicts = {verdict.name: verdict for verdict in load_inspector(bundle).inspect(data)}
    judged = {row["name"]: row for row in rows if row["reason"] is None}
    assert judged.keys() == verdicts.keys()
    for name, verdict in verdicts.items():
        row = judged[name]
        np.testing.assert_allclose(row["score"], verdict.score, rtol=1e-5)
        np.testing.assert_allclose(row["p_value"], verdict.p_value)
        assert dict(row["terms"]).keys() == verdict.terms.keys()
        assert (row["anomalous"], row["regions"]) == (verdict.anomalous, len(verdict.boxes))
