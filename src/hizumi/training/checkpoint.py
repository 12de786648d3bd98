"""Checkpoints without pickle: one safetensors file with numbers in its header, replaced atomically."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook

from hizumi.arguments import check_arguments, clone
from hizumi.errors import BundleError
from hizumi.networks.weight_files import weights_follow
from hizumi.storage.files import write_atomically
from hizumi.storage.weights import refuse_unfit
from hizumi.training.identity import refuse_other
from hizumi.training.randomness import undrawn
from hizumi.training.torch_settings import usual_torch
from hizumi.training.trainable import Trainable

MODULES_PER_TENSOR, FEWEST_MODULES = 20, 2000  # far more than any part has


def load_fitted(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a state strictly; buffers whose size depends on the training data are resized first."""
    for key, value in state.items():
        owner_name, _, name = key.rpartition(".")
        owner = module.get_submodule(owner_name)
        if name in owner._buffers:
            owner.register_buffer(name, torch.empty_like(value))
    module.load_state_dict(dict(state), strict=True)


@usual_torch()
def revive(part: Any, shape: tuple[int, ...], state: Mapping[str, Tensor]) -> bool:
    """Build a detector or model for this shape and load what was fitted; nothing but what the state has takes memory.

    Gives whether the state holds tensors of which nothing but the state says the shape. Raises BundleError, or
    ValueError in words, where arguments, shape and state do not belong together.
    """
    check_arguments(part)
    most = MODULES_PER_TENSOR * len(state) + FEWEST_MODULES
    with torch.device("meta"), weights_follow(state), _at_most(most), undrawn():
        refuse_unfit(clone(part).prepare(shape), state)
    with weights_follow(state), undrawn():
        part.prepare(shape)
    of_any_shape = not part.state_dict().keys() >= state.keys()
    load_fitted(part, state)
    return of_any_shape


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Stop with BundleError once this thread has put more than so many modules into others."""
    thread, made = get_ident(), 0

    def counted(*_: object) -> None:
        nonlocal made
        made += get_ident() == thread
        if made > count:
            raise BundleError("its arguments ask for far more layers than its weights have; use an unchanged copy")

    handle = register_module_module_registration_hook(counted)
    try:
        yield
    finally:
        handle.remove()


def training_state(model: Trainable) -> dict[str, Tensor]:
    """State of networks and optimisers as tensors; learning rates are functions of progress and have no state."""
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for name, optimiser in model.optimisers.items():
        for index, entries in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{name}.{index}.{key}": value for key, value in entries.items()}
    return tensors


def load_training_state(model: Trainable, tensors: Mapping[str, Tensor]) -> None:
    """Restore a `training_state` in a model built for the same shape."""
    load_fitted(
        model, {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")}
    )
    for name, optimiser in model.optimisers.items():
        entries: dict[int, dict[str, Tensor]] = {}
        prefix = f"optimiser.{name}."
        for key, value in tensors.items():
            if key.startswith(prefix):
                index, entry = key.removeprefix(prefix).split(".", 1)
                entries.setdefault(int(index), {})[entry] = value
        optimiser.load_state_dict(optimiser.state_dict() | {"state": entries})


def save_checkpoint(
    path: Path, model: Trainable, numbers: Mapping[str, Any], identity: Mapping[str, Any] | None = None
) -> None:
    """Write a model's training state, the loop's numbers and the identity of the run."""
    content = {key: value.detach().cpu().contiguous() for key, value in training_state(model).items()}
    write_atomically(
        path, save(content, metadata={"loop": json.dumps(dict(numbers)), "run": json.dumps(dict(identity or {}))})
    )


def load_checkpoint(path: Path, model: Trainable, identity: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Restore a model and return the loop's numbers.

    Raises UsageError, naming what differs, where the checkpoint is of a run with another identity.
    """
    try:
        with safe_open(path, framework="pt") as file:
            known = file.metadata() or {}  # None where another program has written it
            numbers: dict[str, Any] = json.loads(known["loop"])
            run: dict[str, Any] = json.loads(known.get("run", "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, KeyError, ValueError) as error:
        raise BundleError(f"checkpoint {path} is damaged ({error}); delete it to start this phase again") from error
    refuse_other(f"checkpoint {path}", run, identity or {})
    load_training_state(model, tensors)
    return numbers
