"""Networks that are an ONNX graph: whatever makes maps of photographs, in ONNX Runtime on the processor."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from hizumi.errors import DataError, MissingExtraError, ShortageError, UsageError, is_shortage
from hizumi.graphs.graph_bytes import unusual_part
from hizumi.graphs.onnx_session import MemoryLimitError, OnnxSession, Value
from hizumi.networks.frozen import FrozenNetwork
from hizumi.networks.parts import is_traced
from hizumi.networks.photographs import standardised
from hizumi.networks.weight_files import content_of
from hizumi.shapes import Float

TRIED_SIDE = 224  # pixels, of the image by which a graph is tried that takes any size
MEMORY_BYTES = 2**32  # that a graph may take for an image, beside its own

_SESSIONS: WeakValueDictionary[tuple[str, int, int], OnnxSession] = WeakValueDictionary()  # of all copies of a network


class OnnxGraph(FrozenNetwork):
    """Images (n, c, h, w) in [-1, 1] to a list of feature maps, in the order of the graph's outputs.

    The graph has one input, photographs (n, 3, h, w) by the mean and deviation of ImageNet's colours, and outputs of
    which level 1 is the first; those that are asked for are maps (n, k, p, q). Images are computed one by one, since a
    graph may mix those of a batch, on the processor, wherever they lie. The graph itself is a buffer. Raises DataError
    for a file that is none, and UsageError for levels that it does not have.

    Args:
        levels: Positions of outputs, from 1.
        weights: The graph's file.
        sha256: The hash that file must have.
    """

    graph: Tensor  # the file's bytes

    def __init__(self, levels: tuple[int, ...], weights: Path, sha256: str) -> None:
        super().__init__(levels)
        self.called = f"the network {weights}"
        self.sha256 = sha256.lower()
        content = content_of(weights, sha256)
        self.register_buffer("graph", torch.from_numpy(np.frombuffer(content, np.uint8).copy()))
        self._session = _session(content, self.sha256, self.called)
        self.sides = _sides(self._session.inputs, self.called)
        outputs = self._session.outputs
        if max(levels) > len(outputs):
            raise UsageError(f"levels {levels}: {self.called} has {len(outputs)}, {_listed(outputs)}")
        self._chosen = [outputs[level - 1] for level in sorted(levels)]
        tried = self._outputs(np.zeros((1, 3, *(self.sides or (TRIED_SIDE, TRIED_SIDE))), np.float32))
        if not all(np.isfinite(maps).all() for maps in tried):
            raise DataError(f"{self.called} makes NaN or infinite values of a grey image; export it again")
        self.channels = {level: maps.shape[1] for level, maps in zip(sorted(levels), tried, strict=True)}
        self.frozen()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # missing in torch's stubs
        self._session = _session(self.graph.cpu().numpy().tobytes(), self.sha256, self.called)

    def maps(self, images: Tensor) -> list[Tensor]:
        if is_traced(images):
            raise UsageError("its network is an ONNX graph, and none is exported within another one yet")
        inputs = standardised(images.detach().float()).cpu().contiguous().numpy()
        each = [self._outputs(image[None]) for image in inputs]
        return [torch.from_numpy(np.concatenate(level)).to(images) for level in zip(*each, strict=True)]

    def _outputs(self, image: Float[np.ndarray, "1 3 h w"]) -> list[Float[np.ndarray, "1 k p q"]]:
        """Those that are chosen, of one image."""
        try:
            found = self._session(image)
        except Exception as error:  # its types are not public
            size = f"{image.shape[2]} by {image.shape[3]} pixels"
            if isinstance(error, MemoryLimitError) or is_shortage(error):
                raise ShortageError.of(error, f"an image of {size} in {self.called}", "give smaller images") from error
            raise DataError(f"{self.called} does not take images of {size} ({_in_short(error)})") from error
        for output in self._chosen:
            values = found[output.name]
            if values.ndim != 4 or values.dtype != np.float32 or len(values) != 1:
                raise DataError(
                    f"{self.called} gives {_as_text(output, values.shape)} of type {values.dtype}, and a level is maps "
                    "(n, k, h, w) of float32; tokens are reshaped to maps within the graph"
                )
        return [found[output.name] for output in self._chosen]


def _session(content: bytes, sha256: str, called: str) -> OnnxSession:
    """The one that copies and fits of a network have in common."""
    key = sha256, torch.get_num_threads(), MEMORY_BYTES
    session = _SESSIONS.get(key)
    if session is None:
        session = _SESSIONS[key] = _started(content, called)
    return session


def _started(content: bytes, called: str) -> OnnxSession:
    try:
        found = unusual_part(content)
        if found is not None:
            raise DataError(f"{called} has {found}, which is not taken; export it as one plain graph")
        return OnnxSession(content, torch.get_num_threads(), MEMORY_BYTES)
    except (DataError, MissingExtraError):
        raise
    except Exception as error:  # the engine's types are not public
        if is_shortage(error):
            raise ShortageError.of(error, called, "free some") from error
        reason = "it ends too soon" if isinstance(error, IndexError) else _in_short(error)
        raise DataError(f"{called} is no ONNX graph that ONNX Runtime loads ({reason})") from error


def _sides(inputs: Sequence[Value], called: str) -> tuple[int, int] | None:
    """Height and width that the graph takes, None for any; raises DataError where its input is not images."""
    if len(inputs) != 1:
        raise DataError(f"{called} has {len(inputs)} inputs, {_listed(inputs)}; it must have one, the images")
    shape, dtype = inputs[0].shape, inputs[0].dtype
    fits = len(shape) == 4 and all(
        not isinstance(side, int) or side == wanted for side, wanted in zip(shape[:2], (1, 3), strict=True)
    )
    if not fits or dtype != "tensor(float)":
        raise DataError(
            f"{called} takes {_as_text(inputs[0], shape)} of {dtype}; it must take images (n, 3, h, w) of "
            "tensor(float), n being 1 or any number"
        )
    match shape[2:]:
        case (int(height), int(width)):
            return height, width
        case _:
            return None


def _listed(values: Sequence[Value]) -> str:
    return ", ".join(f"{number} {_as_text(each, each.shape)}" for number, each in enumerate(values, 1))


def _as_text(value: Value, shape: Sequence[int | str | None]) -> str:
    return f"{value.name} ({', '.join('?' if side is None else str(side) for side in shape)})"


def _in_short(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
