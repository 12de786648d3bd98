"""What archives cost, for docs/scale.md, from the rates that `python -m benchmarks.scale` has measured."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "scale"
PAGE = ROOT / "docs" / "scale.md"
MARKERS = "<!-- Costs, from tools/scale_costs.py by `make docs`. -->", "<!-- End of the costs. -->"
SIZES = {10**6: (16, 1), 10**8: (16, 20), 10**9: (16, 100)}  # images: cores of a machine, machines
MS_AN_HOUR = 3.6e6


def tables() -> str:
    """The measured figures, then hours by size; empty of what has not been measured."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    parts = [text(found[name]) for name, text in TEXTS.items() if name in found]
    return "\n\n".join(parts)


def _costs(found: dict[str, Any]) -> str:
    whole = found["whole_ms"]
    steps = [("read, hash (SHA-256)", found["hash_ms"]), ("decode", found["decode_ms"])]
    lines = [
        f"Measured on {found['machine']}: `{found['detector']}`, {found['file']}, CPU time of one core an image.",
        "",
        "| step | ms |",
        "|---|---|",
        *(f"| {name} | {ms:.2f} |" for name, ms in steps),
        *(f"| all of it, {engine} | {ms:.1f} |" for engine, ms in whole.items()),
        f"| write its row (wall time of the disk, blocks of 2,000) | {found['row_ms']:.3f} |",
        "",
        "Hours = images x ms / (3,600,000 x cores).",
        "",
        f"| images | machines of {SIZES[10**6][0]} cores | {' | '.join(f'hours, {name}' for name in whole)} "
        "| storage has to give | parts |",
        "|---|---|" + "---|" * (len(whole) + 2),
    ]
    for images, (cores, machines) in SIZES.items():
        hours = [images * ms / MS_AN_HOUR / cores / machines for ms in whole.values()]
        fastest = cores * machines * 1000 / min(whole.values())
        lines.append(
            f"| {images:.0e} | {machines} | {' | '.join(f'{each:.1f}' for each in hours)} "
            f"| {fastest * found['bytes'] / 1e6:,.0f} MB/s | {_parts(images):,} |".replace("e+0", "e")
        )
    share = found["decode_ms"] / min(whole.values())
    lines += ["", f"Decoding is {share:.0%} of the fastest engine's time; the rest is resizing and the network itself."]
    return "\n".join(lines)


def _workers(found: dict[str, Any]) -> str:
    one, two = found["one_worker"], found["two_workers"]
    return "\n".join(
        [
            f"{found['images']:,} images of {found['side']}x{found['side']} pixels, `{found['detector']}`, in one run "
            f"on {found['machine']}; other programs put a load of {found['load_before']} (before) and "
            f"{found['load_after']} (after) on them:",
            "",
            "| | images/s | seconds to the first part |",
            "|---|---|---|",
            f"| `hizumi inspect`, one thread of torch | {found['inspect_images_per_second']:.0f} | |",
            f"| one worker | {one['images_per_second']:.0f} | {one['seconds_to_first_part']:.0f} |",
            f"| two workers | {two['images_per_second']:.0f} | {two['seconds_to_first_part']:.0f} |",
            "",
            f"Two workers do {found['two_by_one']:.2f} times what one does (asked: 1.8); one, once warm, "
            f"{found['one_by_inspect']:.2f} times what `hizumi inspect` does (asked: 0.9).",
        ]
    )


def _memory(found: dict[str, Any]) -> str:
    peaks = ", ".join(f"{int(count):,} images {peak / 2**20:.0f} MiB" for count, peak in found["peak_bytes"].items())
    return f"Most memory of a process that lists and scores tiny images: {peaks} ({found['many_by_few']:.2f} times)."


def _parts(images: int) -> int:
    """How many blocks a listing of so many has; see `hizumi.scale.listing`."""
    from hizumi.scale.listing import block_size

    parts = before = 0
    while before < images:
        before += block_size(before)
        parts += 1
    return parts


TEXTS = {"costs": _costs, "workers": _workers, "memory": _memory}
