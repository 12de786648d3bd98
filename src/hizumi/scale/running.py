"""The blocks of an archive that wait, completed: here one after another, or by the workers of a cluster."""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hizumi.data.progress import Observer
from hizumi.errors import HizumiError, RunError, UsageError
from hizumi.memory import keep_freed_memory
from hizumi.scale.archive import Archive, Shard, read_archive
from hizumi.scale.cluster import cluster, on_each_node
from hizumi.scale.items import is_url
from hizumi.scale.listing import read_block
from hizumi.scale.parts import Tally
from hizumi.scale.scoring import BlockScorer
from hizumi.storage.files import first_line, printable

TASKS_AT_MOST = 4096  # that Ray keeps account of; each takes its blocks one after another
BLOCKS_OF_A_TASK, TASKS_OF_A_WORKER = 8, 16  # a task costs as much as scoring some 20 small images
SECONDS_BETWEEN_QUESTIONS = 0.5
HEAD = "node:__internal_head__"  # what Ray calls a resource that its head alone has
GO_ON = "what is done is kept: give the same command again to go on"
COUNTS = tuple(each.name for each in fields(Tally))


@dataclass
class Progress:
    """Tells an observer, after each block, how far it is: images a second and alarms stand in place of losses."""

    blocks: int
    observe: Observer | None = None
    tally: Tally = field(default_factory=Tally)
    done: int = 0
    began_at: float = field(default_factory=time.monotonic)

    def add(self, tally: Tally, blocks: int = 1) -> None:
        """Count what has been completed."""
        self.tally += tally
        self.done += blocks
        if self.observe is None:
            return
        rate = self.tally.images / max(time.monotonic() - self.began_at, 1e-9)
        counts = {"images/s": rate, "images": self.tally.images, "alarms": self.tally.alarms}
        self.observe({"phase": "scoring", "step": self.done, "share": self.done / self.blocks, "losses": counts})


def score_shard(scorer: BlockScorer, shard: Shard, observe: Observer | None = None) -> Tally:
    """Complete the waiting blocks of a shard in this process; what was new."""
    waiting = list(scorer.archive.waiting(shard))
    progress = Progress(len(waiting), observe)
    for block in waiting:
        progress.add(scorer.complete(block))
    return progress.tally


def score_on(archive: Archive, on: str, workers: int | None = None, observe: Observer | None = None) -> Tally:
    """Complete all waiting blocks by the workers of a cluster, each with a bundle of its own; what was new.

    Every node sees the archive's folder, and its images, under the same paths. A worker or node that is lost has its
    blocks done again by others. Raises UsageError where a node sees them not, and RunError where the run cannot go on.
    """
    waiting = list(archive.waiting())
    if not waiting:
        return Tally()
    progress = Progress(len(waiting), observe)
    with cluster(on, workers) as ray:
        _refuse_unseen(ray, archive)
        count = min(workers or max(int(ray.cluster_resources().get("CPU", 1)), 1), len(waiting))
        for row in _results(ray, archive.folder.absolute(), waiting, count):
            if row["error"]:
                raise RunError(f"{row['error']}; {GO_ON}")
            progress.add(Tally(*(int(row[name]) for name in COUNTS)))
    return progress.tally


def _results(ray: Any, folder: Path, blocks: list[int], workers: int) -> Iterator[dict[str, Any]]:
    """One row for each block, as they are completed; raises RunError where the cluster fails.

    An actor gathers them, and is asked from here: threads of Ray's data sets, which go on for a while when one is left
    half read, end their process without a word once it has left the cluster.
    """
    made = ray.remote(num_cpus=0, resources={HEAD: 0.001})(_Gatherer)  # there it is lost with the cluster alone
    gatherer = made.remote(str(folder), blocks, workers)
    told, is_done = 0, False
    while not is_done:
        try:
            rows, is_done = ray.get(gatherer.since.remote(told))
        except ray.exceptions.RayError as error:
            raise RunError(f"the cluster failed ({first_line(error)}); {GO_ON}") from error
        yield from rows
        told += len(rows)
        time.sleep(0 if is_done else SECONDS_BETWEEN_QUESTIONS)


class _Gatherer:
    """Gathers results in a cluster for the process that asked for them, and ends with it."""

    def __init__(self, folder: str, blocks: list[int], workers: int) -> None:
        self.rows: list[dict[str, Any]] = []
        self.is_done = False
        threading.Thread(target=self._gather, args=(folder, blocks, workers), daemon=True).start()

    def since(self, told: int) -> tuple[list[dict[str, Any]], bool]:
        """Results after so many, and whether there will be no more."""
        is_done = self.is_done  # read first: what comes between belongs to the next answer
        return self.rows[told:], is_done

    def _gather(self, folder: str, blocks: list[int], workers: int) -> None:
        try:
            for row in _scored(folder, blocks, workers):
                self.rows.append(row)
        except Exception as error:  # nobody else would say it
            self.rows.append({"error": first_line(error)})
        finally:
            self.is_done = True


def _scored(folder: str, blocks: list[int], workers: int) -> Iterator[dict[str, Any]]:
    """Blocks are numbers, and results are counts: nothing large travels, and a worker reads one batch ahead."""
    import ray.data as ray_data

    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of each beginning and end
    ray_data.DataContext.get_current().enable_progress_bars = False
    tasks = min(max(len(blocks) // BLOCKS_OF_A_TASK, TASKS_OF_A_WORKER * workers), len(blocks), TASKS_AT_MOST)
    data = ray_data.from_items([{"block": block} for block in blocks], override_num_blocks=tasks)
    scored = data.map_batches(
        _Worker,
        fn_constructor_args=(folder,),
        batch_size=1,
        batch_format="numpy",
        compute=ray_data.ActorPoolStrategy(size=workers),
        num_cpus=1,
    )
    yield from scored.iter_rows()


class _Worker:
    """One actor: a bundle that stays loaded. Errors are results, as Ray would try again, and end in its own words."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.scorer: BlockScorer | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        try:
            if self.scorer is None:
                keep_freed_memory()
                self.scorer = BlockScorer(self.folder, threads=1)  # on the one core that a worker has
            tallies, error = [self.scorer.complete(int(block)) for block in batch["block"]], ""
        except HizumiError as raised:
            tallies, error = [Tally()] * len(batch["block"]), str(raised)
        counts = {name: [getattr(each, name) for each in tallies] for name in COUNTS}
        return {"block": list(batch["block"]), "error": [error] * len(tallies), **counts}


def _refuse_unseen(ray: Any, archive: Archive) -> None:
    """Raise UsageError, naming a node that sees the archive's folder or images not as this process does."""
    first = read_block(archive.folder, 0)[0].place
    looked_at = str(archive.folder.absolute()), archive.listed.digest, "" if is_url(first) else first
    here = _unseen(*looked_at)
    for address, unseen in on_each_node(ray, _unseen, *looked_at):
        if unseen != here:
            raise UsageError(
                f"the node {address} does not see {printable(unseen)}, as this one does; share the folder among all "
                "nodes under the same path, or use object storage"
            )


def _unseen(folder: str, digest: str, first: str) -> str:
    """The first of these that is not seen from here; empty where all are."""
    try:
        if read_archive(Path(folder)).listed.digest != digest:
            return folder
    except HizumiError:
        return folder
    return first if first and not Path(first).exists() else ""
