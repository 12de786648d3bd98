"""The model card: what a bundle is, in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hizumi.training import Card
from hizumi.training.health import Finding


def model_card(
    what: str, method: str, card: Card, record: Mapping[str, Any], facts: Sequence[str], findings: Iterable[Finding]
) -> str:
    """Markdown for people who find a bundle and nothing else: `what` it is, by which method, and facts about it."""
    found = [f"- {finding.name}: {finding.message}. {finding.remedy}." for finding in findings]
    return "\n".join(
        [
            f"# {method} on {record['data']}",
            "",
            f"{what} by hizumi {record['hizumi']}: {card.idea} ({card.paper}).",
            "",
            *(f"- {fact}" for fact in facts),
            f"- SHA-256 of the data: {record['data_sha256']}.",
            "",
            "## Health check",
            "",
            *(found or ["Nothing found."]),
            "",
        ]
    )
