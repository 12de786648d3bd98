"""What is made of processes that end: begun again, or said in one line, and never tried again in vain."""

from types import SimpleNamespace

import pytest

from hizumi.errors import DataError, RunError
from hizumi.scale.group import _Group, _LostError
from hizumi.scale.room import Room


class DiedError(Exception):
    pass


GLOO = RuntimeError("[../gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:5")


@pytest.mark.parametrize(
    ("failures", "raised", "kind", "said"),
    [
        ({1: DiedError(), 0: GLOO}, [GLOO], _LostError, "1 of 2 processes were lost"),
        ({0: DiedError(), 1: DiedError()}, [], _LostError, "2 of 2 processes were lost"),
        ({0: GLOO}, [GLOO], _LostError, "1 of 2 processes were lost"),
        ({0: DiedError(), 1: KeyError("x")}, [KeyError("x")], _LostError, "1 of 2 processes were lost"),
        ({0: DataError("no image"), 1: GLOO}, [GLOO, DataError("no image")], DataError, "no image"),
        ({0: KeyError("x"), 1: GLOO}, [KeyError("x"), GLOO], KeyError, "'x'"),
        ({0: ValueError("Traceback\n  no tensors\n")}, [], RunError, "could not carry out the training (no tensors)"),
    ],
    ids=["died", "all died", "unreached", "died, others failed", "ours", "a fault", "Ray's own"],
)
def test_causes(failures: dict[int, Exception], raised: list[Exception], kind: type[Exception], said: str) -> None:
    group = object.__new__(_Group)
    group.on = "local"
    group.ray = SimpleNamespace(get=lambda given: given, exceptions=SimpleNamespace(RayActorError=DiedError))
    group.relay = SimpleNamespace(errors=SimpleNamespace(remote=lambda: raised))
    cause = group._cause(failures, Room(2, 1, gpus=False))
    assert type(cause) is kind
    assert said in str(cause)
