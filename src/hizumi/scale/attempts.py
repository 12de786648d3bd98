"""Blocks whose worker died: tried again image by image, so that an image that ends processes costs one row."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hizumi.storage.files import save_error

FOLDER = "at-work"
WHOLE_TRIES = 2
"""Times that a block is scored as a whole: processes also die for reasons that have nothing to do with images."""
DEATHS = 2
"""Times that a process has to die at the same image before the image is blamed."""


@dataclass
class Attempts:
    """How often a block has been begun, and at which images processes died; lies in a file until the block is done."""

    path: Path
    begun: int = 0
    at: int | None = None
    deaths: dict[str, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, folder: Path, block: int) -> "Attempts":
        """Count one more."""
        made = cls(folder / FOLDER / f"{block:08d}.json")
        with suppress(OSError, ValueError, TypeError):  # what a death has left half written says that there was one
            made = cls(made.path, **json.loads(made.path.read_bytes()))
        made.begun += 1
        if made.at is not None:
            made.deaths[str(made.at)] = made.deaths.get(str(made.at), 0) + 1
        made.at = None
        made._write()
        return made

    @property
    def is_careful(self) -> bool:
        """Whether images are to be scored one by one."""
        return self.begun > WHOLE_TRIES

    def blames(self, image: int) -> bool:
        """Whether processes have died at this image often enough."""
        return self.deaths.get(str(image), 0) >= DEATHS

    def one_by_one(self, images: int) -> Iterator[int]:
        """Places of images, each written down before its turn."""
        for image in range(images):
            self.at = image
            self._write()
            yield image

    def end(self) -> None:
        """The block is done."""
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        # Not flushed to the disk: a process may die of an image, and the system goes on.
        fields = asdict(self)
        del fields["path"]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(fields), encoding="utf-8")
        except OSError as error:
            raise save_error(str(self.path), error) from error
