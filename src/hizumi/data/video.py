"""Video files, through the optional package PyAV."""

from pathlib import Path

import numpy as np

from hizumi.data.arrays import open_array
from hizumi.data.clips import with_neighbours
from hizumi.data.manifest import Manifest
from hizumi.errors import DataError, UsageError
from hizumi.storage.files import printable

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
LARGEST_BYTES = 4 * 2**30  # of all frames together, since they are held in memory


def open_video(path: Path) -> Manifest:
    """All frames of a video file as one clip, grey where the file is, else colour.

    Raises UsageError without the extra `hizumi[video]`, DataError for files that cannot be read or fill the memory.
    """
    try:
        import av
    except ImportError:
        raise UsageError(
            f"{printable(path)}: video files need `pip install 'hizumi[video]'`; or give a folder of frames"
        ) from None
    frames: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                frames.append(frame.to_ndarray(format="gray" if frame.format.name.startswith("gray") else "rgb24"))
                if len(frames) * frames[0].nbytes > LARGEST_BYTES:
                    raise DataError(
                        f"{printable(path)}: its frames take over {LARGEST_BYTES >> 30} GiB of memory; "
                        "cut or scale it, or write its frames into a folder"
                    )
    except (av.FFmpegError, OSError, IndexError) as error:
        reason = getattr(error, "strerror", None) or "it holds no pictures"
        raise DataError(f"{printable(path)}: cannot be read as video ({reason})") from error
    if len({frame.shape for frame in frames}) != 1:
        raise DataError(f"{printable(path)}: holds {'frames of several sizes' if frames else 'no frames'}")
    return with_neighbours(open_array(np.stack(frames), printable(path.stem), channels="last"))
