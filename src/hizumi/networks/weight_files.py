"""Weights of pre-trained networks, from files that are known by their hash."""

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from hizumi.errors import DataError, ShortageError, is_shortage

WRAPPERS = ("state_dict", "model", "teacher")  # keys under which training scripts store a state
PREFIXES = re.compile(r"^((module|model|backbone|_orig_mod)\.)+")  # that they put before its names
BODIES = ("conv1.", "bn1.", "layer", "stages.", "blocks.", "reg", "embeddings.", "encoder.")
"""How names of weights begin that no classifier has: registers, for one, or a squeeze and its excitation."""

_FOLLOWING: ContextVar[Mapping[str, Tensor] | None] = ContextVar("_FOLLOWING", default=None)


@contextmanager
def weights_follow(state: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside, networks are made without their weights, which this state, of a bundle, has: no file is read."""
    token = _FOLLOWING.set(state)
    try:
        yield
    finally:
        _FOLLOWING.reset(token)


def load_weights(
    network: nn.Module,
    path: Path,
    sha256: str,
    called: str,
    translated: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = lambda state: state,
) -> None:
    """Load a file of PyTorch or safetensors whose hash is this into a network, which takes all of its own weights.

    `translated` brings what is in the file to the network's own names; classifiers, and levels above its own, may be
    there too. Raises DataError where the file cannot be read, has another hash, or holds other weights than the
    network, `called` so, has.
    """
    if _FOLLOWING.get() is not None:
        return
    found = translated(_state_of(path, sha256))
    wanted = network.state_dict()
    state = {name: found.get(name, tensor) for name, tensor in wanted.items()}
    for name, tensor in wanted.items():
        if name not in found and not name.endswith("num_batches_tracked"):  # which inference has no use for
            raise DataError(f"the weights {path} are not those of {called}: they have no {name!r}")
        if state[name].shape != tensor.shape:
            has, needs = ("x".join(map(str, each.shape)) for each in (state[name], tensor))
            raise DataError(f"the weights {path} are not those of {called}: {name!r} is {has} and not {needs}")
        if not _is_usable(state[name]):
            raise DataError(
                f"the weights {path} are of no use: {name!r} holds NaN or infinities, or is no dense tensor of floats"
            )
    for name in sorted(found.keys() - wanted.keys()):
        if name.startswith(BODIES) and not _is_higher(network, name):
            raise DataError(f"the weights {path} are not those of {called}: it has no place for their {name!r}")
    network.load_state_dict(state)


def _is_usable(tensor: Tensor) -> bool:
    if tensor.dtype == torch.long:  # how many batches a batch norm has seen
        return True
    plain = tensor.layout == torch.strided and tensor.is_floating_point() and not tensor.is_meta
    return plain and bool(tensor.float().isfinite().all())


def _is_higher(network: nn.Module, name: str) -> bool:
    """Whether a weight belongs to a block above those that the network has."""
    of, _, rest = name.partition(".")
    place, blocks = rest.partition(".")[0], getattr(network, of, None)
    return isinstance(blocks, nn.ModuleList | nn.Sequential) and place.isdigit() and int(place) >= len(blocks)


def content_of(path: Path, sha256: str) -> bytes:
    """The bytes of a file that has this hash; where weights follow, of the tensor of bytes that has it.

    For networks that are files as a whole, without which not even their shapes are known. Raises DataError.
    """
    state = _FOLLOWING.get()
    if state is None:
        return _read(path, sha256)
    for tensor in state.values():
        if tensor.dtype == torch.uint8 and tensor.ndim == 1:
            content = tensor.cpu().numpy().tobytes()
            if hashlib.sha256(content).hexdigest() == sha256.lower():
                return content
    raise DataError(f"its weights hold no file of sha256 {sha256}, which {path.name} had; use an unchanged copy")


def _read(path: Path, sha256: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the weights {path}: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256.lower():
        raise DataError(f"the weights {path} have sha256 {found}, not {sha256}; they are damaged or other ones")
    return content


def _state_of(path: Path, sha256: str) -> Mapping[str, Tensor]:
    content = _read(path, sha256)
    try:
        with warnings.catch_warnings(action="ignore"):  # which advise whoever calls torch
            state: Any = (
                safetensors.torch.load(content)
                if path.suffix.lower() == ".safetensors"
                else torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            )
    except Exception as error:  # of any type, where bytes are not what torch takes them for
        if is_shortage(error):
            raise ShortageError.of(error, f"reading the weights {path}", "free some") from error
        raise DataError(
            f"the weights {path} are no safetensors file (.safetensors) and no plain state dictionary of PyTorch; "
            "save what state_dict() gives"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    ):
        raise DataError(f"the weights {path} are no state dictionary: names and tensors, as state_dict() gives them")
    return {PREFIXES.sub("", name): tensor for name, tensor in state.items()}
