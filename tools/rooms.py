"""The rooms of the package and who may import whom: the one statement of it, which a test enforces."""

import textwrap

# From the lowest level to the highest. A room imports rooms of lower levels only, never one of its own level.
LEVELS = [
    {"networks", "objectives", "calibration", "storage"},
    {"data"},
    {"training"},
    {"preprocessing"},
    {"models"},
    {"detectors", "evaluation"},
    {"registry"},
    {"runs", "reproduction"},
    {"inspection", "generation"},
    {"report", "runtime"},
    {"bundles", "monitoring", "export"},
    {"station"},
    {"serving", "scale"},
    {"cli"},
]
FREE = {
    "arguments",
    "errors",
    "graphs",
    "lazy",
    "memory",
    "shapes",
    "version",
    "words",
}  # every room may import them; they import only each other
# What a room does without, although it lies below: these work where torch is not installed.
WITHOUT = {
    "calibration": {"torch"},
    "runtime": {"torch", "hizumi.detectors", "hizumi.generation"},
    "monitoring": {"torch", "hizumi.detectors", "hizumi.generation"},
    "station": {"torch", "hizumi.detectors", "hizumi.generation"},
    "serving": {"torch", "hizumi.detectors", "hizumi.generation"},
}


def arrows(width: int = 110) -> str:
    """The levels from top to bottom, as text."""
    levels = [" | ".join(sorted(rooms)) for rooms in [*reversed(LEVELS), FREE]]
    levels = [f"{{{level}}}" if "|" in level else level for level in levels]
    unbroken = [level.replace(" ", "\0") for level in levels]
    return textwrap.fill(" → ".join(unbroken), width).replace("\0", " ")
