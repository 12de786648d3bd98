"""Where pictures of inputs are written: one file for each, whatever its name."""

import os
from itertools import count
from pathlib import Path

LONGEST_NAME = 255  # bytes that a file system takes


def picture_path(folder: Path, name: str, what: str, drawn: set[Path]) -> Path:
    """Under the folder whatever the name, and apart from all pictures that were drawn before, to which it is added.

    Names differ in more than case, which not every file system tells apart.
    """
    parts = [part for part in Path(name).parts if part not in ("..", Path(name).anchor)]
    for number in count(1):
        stem, ending = parts[-1], f"-{what}{'' if number == 1 else f'-{number}'}.png"
        while len(os.fsencode(stem + ending)) > LONGEST_NAME:
            stem = stem[:-1]
        path = folder.joinpath(*parts[:-1], stem + ending)
        if (key := Path(str(path).casefold())) not in drawn:
            drawn.add(key)
            break
    return path
