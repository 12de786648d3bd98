"""What a run must share with the one that left files behind, from which it would go on."""

from collections.abc import Mapping
from typing import Any

from hizumi.errors import UsageError
from hizumi.storage.files import printable


def refuse_other(file: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise UsageError, naming all that differs, where a file was left by a run with another identity."""
    changed = [f"{name} ({found.get(name)}, now {now})" for name, now in expected.items() if found.get(name) != now]
    if changed:
        raise UsageError(
            f"{printable(file)} is of a run with another {', '.join(changed)}; "
            "resume with the same, or use another folder"
        )
