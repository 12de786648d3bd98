"""File names as they come, in everything that is written."""

import csv
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.hard.conftest import run_hizumi, save_pictures, stripes

NAMES = [
    b"plain.png", b"with space.png", b" leading.png", b"trailing .png", b"two  spaces.png", b"-rf.png", b"--help.png",
    b"=1+1.png", b"+1.png", b"@SUM(A1).png", b"'quote'.png", b'"double".png', b"comma, semicolon;.png", b"tab\t.png",
    b"new\nline.png", b"return\r.png", b"back\\slash.png", b"percent%s%n.png", b"$HOME.png", b"`id`.png",
    b"<b>bold.png", b"<script>alert(1)<!-- .png", b"&amp;.png", b"{0}{name}.png", b"[red]markup[red].png",
    b"\x1b[31mred\x1b[0m.png", b"\x1b]0;title\x07.png", b"\xff\xfe invalid.png", b"\xe2\x80\xaereversed.png",
    "日本語の部品.png".encode(), "émigré.png".encode(), "e\u0301migre.png".encode(), "🔩.png".encode(),
    b"dots...png", b"many.dots.in.it.png", b"UPPER.PNG", b"CON.png", b"nul.png", b"#hash.png", b"a" * 250 + b".png",
]  # fmt: skip
TERMINAL_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def test_names(tmp_path: Path, catalogue: Callable[..., None]) -> None:
    generator = np.random.default_rng(0)
    save_pictures(tmp_path / "good", stripes(generator, 60))
    (tmp_path / "new").mkdir()
    for name, picture in zip(NAMES, stripes(generator, len(NAMES)), strict=True):
        with (tmp_path / "new" / os.fsdecode(name)).open("wb") as file:
            Image.fromarray(picture).save(file, format="PNG")
    bundle, tables = tmp_path / "parts.hizumi", tmp_path / "out"
    tables.mkdir()
    assert run_hizumi("fit", tmp_path / "good", "-d", "pca", "-o", bundle).code == 0
    outputs = ["--json", tables / "o.json", "--csv", tables / "o.csv", "--maps", tmp_path / "maps"]
    done = run_hizumi("inspect", bundle, tmp_path / "new", *outputs)
    assert done.code == 0, done.err
    judged = json.loads((tables / "o.json").read_text(encoding="utf-8"))
    names = [verdict["name"] for verdict in judged["verdicts"]]
    with (tables / "o.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [row["name"] for row in csv.DictReader(file)]
    formulas = [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    maps = sum(path.is_file() for path in (tmp_path / "maps").rglob("*"))
    shown = TERMINAL_COMMANDS.findall(done.out + done.err)
    catalogue(
        "File names of 40 kinds: folders, JSON, CSV, maps, the terminal",
        f"{len(set(names))} judged, {len(set(cells))} rows, {maps} maps, {len(formulas)} formulas, "
        f"{len(shown)} terminal commands",
        mark="40, 40, 40, 0, 0",
        holds=len({*names}) == len({*cells}) == maps == len(NAMES) and not formulas and not shown,
    )
