"""Several recordings in one table, told apart by its columns `group` and `split`, or by others that are named."""

from dataclasses import replace

import numpy as np

from hizumi.data.columns import named
from hizumi.data.labels import split_of_word
from hizumi.data.series.numbers import words_of
from hizumi.data.series.readings import SeriesTable
from hizumi.storage.files import printable
from hizumi.words import counted

GROUP, SPLIT = "group", "split"


def divided(table: SeriesTable, measured: frozenset[str], group_column: str | None) -> list[SeriesTable]:
    """The rows of each group and split, in their order, as tables of their own; the table itself without such columns.

    Columns that are `measured` or left out tell nothing apart, and of a table that has it, `group_column` does so in
    place of one called group. Raises DataError for a word that names no split.
    """
    roles = {name.lower(): name for name in table.columns if name.lower() in (GROUP, SPLIT) and name not in measured}
    if group_column is not None and group_column in table.columns:
        roles[GROUP] = group_column
    if not roles or not table.has_names:
        return [table]
    words = {role: words_of(table, name) for role, name in roles.items()}
    keys = list(zip(*words.values(), strict=True))
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return [_part(table, dict(zip(words, key, strict=True)), roles, own, len(rows)) for key, own in rows.items()]


def _part(table: SeriesTable, said: dict[str, str], roles: dict[str, str], rows: list[int], parts: int) -> SeriesTable:
    chosen = np.array(rows)
    name = ", ".join([table.name, *(printable(word) for word in said.values() if word)])
    split = split_of_word(said[SPLIT], table.place(rows[0])) if SPLIT in said else None
    return replace(
        table,
        name=table.name if parts == 1 else name,
        columns={name: cells[chosen] for name, cells in table.columns.items() if name not in roles.values()},
        rows=table.rows[chosen],
        split=split or table.split,
        notes=(*table.notes, f"{counted(parts, 'recording')}, told apart by {named(sorted(roles.values()))}"),
    )
