"""One fit among many: what it is asked for, what it needs, and how it comes back."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hizumi.data import Manifest
from hizumi.inspection import Inspector, save
from hizumi.registry import specify
from hizumi.runs.parameters import plain_parameters
from hizumi.version import __version__


def request_of(inspector: Inspector, data_sha256: str) -> dict[str, Any]:
    """All that a fit follows from, ready for JSON, before it is made: what is fitted may be called otherwise."""
    detector, region = inspector.detector, inspector.region
    request: dict[str, Any] = {
        "hizumi": __version__,
        "detector": detector if isinstance(detector, str) else specify(detector),
        **plain_parameters(inspector),
        "region": None if region is None else region.key,
        "data": data_sha256,
    }
    plain: dict[str, Any] = json.loads(json.dumps(request))
    return plain


def digest_of_request(request: Mapping[str, Any]) -> str:
    """SHA-256 (hex), by which a bundle says what it was asked for."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def bytes_planned(inspector: Inspector, manifest: Manifest) -> int:
    """Memory that a fit needs, as its plan says."""
    return int(inspector.plan(manifest)["estimate"]["memory_bytes"])


def bundle_bytes(inspector: Inspector) -> bytes:
    """A fitted inspector as the content of its bundle: whoever fits it may have no disk in common with who keeps it."""
    with tempfile.TemporaryDirectory(prefix="hizumi-") as folder:
        return save(inspector, Path(folder) / "fitted.hizumi").read_bytes()
