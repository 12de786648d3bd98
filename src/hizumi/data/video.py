"""Video files, through the optional package PyAV."""

from pathlib import Path

import numpy as np

from hizumi.errors import DataError, ShortageError, UsageError, is_shortage
from hizumi.shapes import Shaped
from hizumi.storage.files import open_regular, printable

OPTIONS = {
    # Play lists, which name other files and addresses, are not among them.
    "format_whitelist": "avi,m4v,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegvideo,mpegts",
    "protocol_whitelist": "none",
}
LARGEST_BYTES = 4 * 2**30  # of all frames together, since they are held in memory


def read_video(path: Path, largest_bytes: int = LARGEST_BYTES) -> Shaped[np.ndarray, "n h w c"]:
    """All frames of a video file, grey where the file is, else colour.

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
        with open_regular(path) as file, av.open(file, options=OPTIONS) as container:
            for frame in container.decode(video=0):
                frames.append(frame.to_ndarray(format="gray" if frame.format.name.startswith("gray") else "rgb24"))
                if len(frames) * frames[0].nbytes > largest_bytes:
                    raise DataError(
                        f"{printable(path)}: its frames take over {LARGEST_BYTES >> 30} GiB of memory; "
                        "cut or scale it, or write its frames into a folder"
                    )
    except av.error.MemoryError as error:  # its headers may ask for any amount
        raise DataError(
            f"{printable(path)}: FFmpeg could not get the memory that it asks for; the file is damaged, or free "
            "some memory"
        ) from error
    except DataError:
        raise
    except IndexError as error:
        raise DataError(f"{printable(path)}: cannot be read as video (it holds no pictures)") from error
    except Exception as error:  # on damaged files PyAV raises a dozen unrelated types
        if is_shortage(error):
            advice = "cut or scale it, or write its frames into a folder"
            raise ShortageError.of(error, printable(path), advice) from error
        reason = getattr(error, "strerror", None) or printable(error).strip() or type(error).__name__
        raise DataError(f"{printable(path)}: cannot be read as video ({reason})") from error
    if len({frame.shape for frame in frames}) != 1:
        raise DataError(f"{printable(path)}: holds {'frames of several sizes' if frames else 'no frames'}")
    stacked = np.stack(frames)
    return stacked if stacked.ndim == 4 else stacked[..., np.newaxis]
