"""Video files, through the optional package PyAV."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from hizumi.errors import DataError, ShortageError, UsageError, is_shortage
from hizumi.shapes import Shaped
from hizumi.storage.files import open_regular, printable
from hizumi.words import counted

OPTIONS = {
    # Play lists, which name other files and addresses, are not among them.
    "format_whitelist": "avi,m4v,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegvideo,mpegts",
    "protocol_whitelist": "none",
}
UNEVEN = 0.5  # of the usual time between frames; containers round times to milliseconds
COMPLETE = 0.95  # of the frames that a file says it has; what it says is not always exact
LARGEST_BYTES = 4 * 2**30  # of all frames together, since they are held in memory


class TooLongError(DataError):
    """The frames of a film take more memory than there may be."""


class Film(NamedTuple):
    """Frames of a video file, how far apart they usually are in time, and what is to be said of them, if anything.

    `frame_seconds` is None where that is not known; `note` says that they are not evenly spaced, `missing` what could
    not be read.
    """

    frames: Shaped[np.ndarray, "n h w c"]
    frame_seconds: float | None
    note: str | None
    missing: str | None


class Stated(NamedTuple):
    """How long a video file says it is: in frames, 0 where it does not say, and in seconds, None likewise."""

    frames: int
    seconds: float | None

    @classmethod
    def by(cls, container: Any) -> Self:
        """What an open file says; raises IndexError where it holds no pictures."""
        stream = container.streams.video[0]
        if stream.duration is not None and stream.time_base is not None:
            return cls(stream.frames, float(stream.duration * stream.time_base))
        alone = len(container.streams) == 1  # else the whole lasts as long as the sound in it
        return cls(stream.frames, container.duration / 1e6 if alone and container.duration else None)

    def missing(self, times: Sequence[float | None]) -> str | None:
        """What could not be read, in words, where frames of these times could, at least one.

        Decoders pass damaged parts over, and end where the file does.
        """
        if self.frames:
            read, whole, unit = float(len(times)), float(self.frames), "frames"
        elif self.seconds is not None and times[0] is not None and times[-1] is not None:
            read, whole, unit = (times[-1] - times[0]) * len(times) / max(1, len(times) - 1), self.seconds, "seconds"
        else:
            return None
        if read >= COMPLETE * whole:
            return None
        return f"{read:.3g} of {whole:.3g} {unit} could be read"


def read_video(path: Path, largest_bytes: int = LARGEST_BYTES) -> Film:
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
    times: list[float | None] = []
    guessed: list[int] = []
    try:
        with open_regular(path) as file, av.open(file, options=OPTIONS) as container:
            stated = Stated.by(container)
            for frame in container.decode(video=0):
                if frame.is_corrupt:  # the decoder has filled in what it could not read
                    guessed.append(len(frames))
                times.append(frame.time)
                frames.append(frame.to_ndarray(format="gray" if frame.format.name.startswith("gray") else "rgb24"))
                if len(frames) * frames[0].nbytes > largest_bytes:
                    raise TooLongError(
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
        raise DataError(f"{printable(path)}: cannot be read as video ({reason}); copy it again") from error
    if len({frame.shape for frame in frames}) != 1:
        raise DataError(f"{printable(path)}: holds {'frames of several sizes' if frames else 'no frames'}")
    stacked = np.stack(frames)
    missing = _cut_short(stated.missing(times)) or _damage(guessed, len(frames))
    frame_seconds, note = _spacing(times)
    return Film(stacked if stacked.ndim == 4 else stacked[..., np.newaxis], frame_seconds, note, missing)


def _cut_short(missing: str | None) -> str | None:
    return None if missing is None else f"is cut short or damaged: {missing}; copy it again"


def _damage(guessed: Sequence[int], count: int) -> str | None:
    """Which frames of a film a decoder has guessed, in words."""
    if not guessed:
        return None
    return (
        f"is damaged: {len(guessed)} of its {counted(count, 'frame')}, the first frame {guessed[0]}, are what the "
        "decoder made of broken data, and their verdicts tell nothing; copy it again"
    )


def _spacing(times: Sequence[float | None]) -> tuple[float | None, str | None]:
    """How far apart frames usually are, in seconds, None where that is not known; in words, if they are uneven, how."""
    known = [time for time in times if time is not None]
    steps = np.diff(known)
    if len(known) != len(times) or not steps.size:
        return None, None
    usual = float(np.median(steps))
    frame_seconds = usual if usual > 0 else None
    if np.all(np.abs(steps - usual) <= UNEVEN * abs(usual)):
        return frame_seconds, None
    longest = int(steps.argmax())
    return frame_seconds, (
        f"its frames are unevenly spaced in time: mostly {usual:.3g} s apart, {steps[longest]:.3g} s after frame "
        f"{longest}, {int(np.sum(np.abs(steps - usual) > UNEVEN * abs(usual)))} times otherwise than mostly; motion is "
        "measured from frame to frame, so write it at one frame rate, or cut it where frames are missing"
    )
