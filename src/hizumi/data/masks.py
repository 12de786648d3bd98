"""Names by which masks are told from pictures."""

import re

FOLDER_NAMES = frozenset(
    {
        *("annotation", "annotations", "ground truth", "ground truths", "groundtruth", "gt", "label mask"),
        *("mask", "masks", "seg", "segmentation", "segmentations"),
    }
)
SUFFIXES = re.compile(r"(?i)[_\-. ](masks?|gt|ground[_\-]?truth|seg(mentation)?|label)$")


def is_mask_folder(name: str) -> bool:
    """Whether a folder of this name holds masks, such as ground_truth, Masks or Test001_gt."""
    words = re.sub(r"[\W_]+", " ", name.lower()).strip()
    return words in FOLDER_NAMES or bool(re.search(r"[_\-. ](gt|masks?)$", name.lower()))


def stem_of_picture(stem: str) -> str | None:
    """What the picture is called whose mask would have this name without suffix; None for a name of no mask."""
    picture = SUFFIXES.sub("", stem)
    return picture if picture != stem else None
