"""A warm bundle that turns one block of an archive after another into parts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hizumi.calibration import Verdict
from hizumi.data import Failure
from hizumi.errors import DataError, RunError, UsageError
from hizumi.report.picture_paths import picture_path
from hizumi.runs.results import archive_row
from hizumi.runtime.any_bundle import load_inspector
from hizumi.runtime.inspector import ExportedInspector
from hizumi.scale.archive import read_archive
from hizumi.scale.attempts import Attempts
from hizumi.scale.items import Contents, Item
from hizumi.scale.listing import read_block
from hizumi.scale.parts import Identity, Row, Tally, left_in, read_part, write_part
from hizumi.storage.files import printable

if TYPE_CHECKING:
    from hizumi.inspection import InspectorBase


Image = tuple[Item, Path | None]
"""One of an archive, and where its map is drawn."""
TOO_MANY_UNREACHED = 8  # images of a block, none of which could be fetched: the storage is gone, not they


class BlockScorer:
    """Scores blocks of the archive in a folder; the bundle is loaded once.

    `threads` compute one operation; None: as many as torch, or the runtime of an exported bundle, chooses.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self.archive = read_archive(folder)
        bundle, called = self.archive.loaded_bundle(), Path(self.archive.bundle[0]).name
        draws_maps = self.archive.maps is not None
        self.inspector = archive_inspector(bundle, called, draws_maps=draws_maps, threads=threads)

    def complete(self, block: int) -> Tally:
        """Write the part of a block, unless it is there: a task may be given twice after a worker was lost.

        Of a part that is there, images that could not be fetched are tried again. What was new is counted.
        Raises SaveError where it cannot be written, and RunError where the images' storage is gone.
        """
        identity = self.archive.identity(block)
        left = left_in(self.archive.folder, identity)
        if left == []:
            return Tally()
        items = read_block(self.archive.folder, block)
        standing = self._standing(identity, items) if left else []
        places = left if left and standing else range(len(items))
        pictures = self._pictures(items, block)
        attempts = Attempts.begin(self.archive.folder, block)
        try:
            fresh = self._fresh([(items[place], pictures[place]) for place in places], attempts)
            if not standing:
                _refuse_unreached(fresh)
            rows = dict(enumerate(standing)) | dict(zip(places, fresh, strict=True))
            write_part(self.archive.folder, identity, list(rows.values()))
            return Tally.of(fresh)
        finally:  # an error is no death
            attempts.end()

    def notes(self) -> tuple[str, ...]:
        """What is to be said before the work about how the first images look, beside those learned from."""
        return self.inspector.compared(Contents(read_block(self.archive.folder, 0)).manifest()).notes

    def _standing(self, identity: Identity, items: Sequence[Item]) -> list[Row]:
        """The rows that an earlier call has written; none where they are damaged."""
        try:
            return read_part(self.archive.folder, identity, [item.name for item in items]).to_pylist()
        except DataError:
            return []

    def _pictures(self, items: Sequence[Item], block: int) -> list[Path | None]:
        """Where each image's map is drawn; the same whichever of the block's images are scored at once."""
        if self.archive.maps is None:
            return [None] * len(items)
        folder, drawn = Path(self.archive.maps) / f"{block:08d}", set[Path]()
        return [picture_path(folder, item.name, "map", drawn) for item in items]

    def _fresh(self, images: Sequence[Image], attempts: Attempts) -> list[Row]:
        if not attempts.is_careful:
            return self._rows(images)
        return [self._row(images[place], attempts.blames(place)) for place in attempts.one_by_one(len(images))]

    def _row(self, image: Image, is_blamed: bool) -> Row:
        if is_blamed:
            reason = "the processes that scored it died, again and again; look at it apart from the others"
            return archive_row(Failure(0, image[0].name, reason), None)
        (row,) = self._rows([image])
        return row

    def _rows(self, images: Sequence[Image]) -> list[Row]:
        contents, rows = Contents([item for item, _ in images]), list[Row]()
        judged = self.inspector.inspect_each(contents.manifest(), pictures=self.archive.maps is not None)
        for place, (item, (_, picture)) in enumerate(zip(judged, images, strict=True)):
            if picture is not None and isinstance(item, Verdict):
                self._draw(item, picture)
            unreached = {"unreached": place in contents.unreached}
            rows.append(archive_row(item, contents.sha256.get(place)) | unreached)
        return rows

    def _draw(self, verdict: Verdict, picture: Path) -> None:
        from hizumi.report.panels import save_map  # draws with matplotlib, which takes a second to load

        save_map(verdict, self.inspector.calibration_, picture)


def _refuse_unreached(rows: Sequence[Row]) -> None:
    """Raise RunError where no content could be fetched: then these are no verdicts that could be kept.

    Listed files that were not there to begin with have their rows, which say so.
    """
    unreached = [row for row in rows if row.get("unreached", False)]
    if len(unreached) >= TOO_MANY_UNREACHED and all(row["sha256"] is None for row in rows):
        raise RunError(
            f"none of {len(unreached)} images from {unreached[0]['name']} on can be fetched "
            f"({unreached[0]['reason']}); give the same command again once their storage is back"
        )


def archive_inspector(bundle: Path, called: str, *, draws_maps: bool, threads: int | None = None) -> "InspectorBase":
    """A bundle at work on an archive; raises UsageError for one that does not judge single images, or has no maps."""
    inspector = load_inspector(bundle, threads=threads)
    if threads is not None and not isinstance(inspector, ExportedInspector):
        import torch

        torch.set_num_threads(threads)
    preprocessing = inspector.preprocessing_
    if preprocessing.window is None or inspector.uses_motion:
        what = "frames with their motion" if inspector.uses_motion else "no images"
        raise UsageError(f"{printable(called)} judges {what}, and an archive holds single images; leave --output out")
    if draws_maps and inspector.calibration_.pixel_threshold is None:
        raise UsageError("its detector gives no maps; leave --maps out, or fit one that does (hizumi list)")
    return inspector
