"""The records that an export is checked on: those of the fit, or any good ones at hand."""

from dataclasses import dataclass, replace
from typing import Any

from hizumi.data import Manifest, open_source
from hizumi.errors import DataError, HizumiError, UsageError
from hizumi.inspection import Inspector
from hizumi.inspection.verdicts import opened


@dataclass(frozen=True)
class ReplaySet:
    """Good records, labelled ones to test, which may be none, and good ones that show a graph its numbers' ranges.

    `as_fitted` says whether they are those of the fit: then those that set the threshold, and those trained on.
    """

    good: Manifest
    test: Manifest
    ranges: Manifest
    as_fitted: bool

    @classmethod
    def of(cls, inspector: Inspector, data: Any) -> "ReplaySet":
        """From what a user gives; None: from where the data of the fit lay then."""
        manifest = _found(inspector) if data is None else _opened(inspector, data)
        fitted = _as_fitted(inspector, manifest)
        if fitted is not None:
            held_out = "calibration" if inspector.options_["folds"] is None else "train"
            return cls(fitted.select(split=held_out), _labelled(fitted), fitted.select(split="train"), as_fitted=True)
        good = [record for record in manifest.records if record.label == 0]
        unseen = [record for record in good if record.split != "test"] or good
        if not unseen:
            raise DataError(f"{manifest.name}: holds no good pictures or rows to check the export on; give some")
        some = replace(manifest, records=tuple(unseen))
        return cls(some, _labelled(manifest), some, as_fitted=False)


def _opened(inspector: Inspector, data: Any) -> Manifest:
    return opened(data, motion=inspector.uses_motion, **inspector.as_learned)


def _as_fitted(inspector: Inspector, manifest: Manifest) -> Manifest | None:
    """The records with the split that they had in the fit; None where they are others."""
    try:
        records = inspector.split_as_fitted(manifest)
    except HizumiError:  # such as too few of them
        return None
    return records if records.data_hash() == inspector.options_["data_sha256"] else None


def _labelled(manifest: Manifest) -> Manifest:
    test = manifest.select(split="test")
    return replace(test, records=tuple(record for record in test.records if record.label is not None))


def _found(inspector: Inspector) -> Manifest:
    """The data of the fit, where they lay then."""
    source, name = inspector.options_.get("source"), inspector.options_["data"]
    advice = "give any good ones of the same kind with --data (in Python: data=), to check the export on them"
    if source is None or "place" not in source:
        raise UsageError(f"nothing says where {name}, on which this was fitted, lies: {advice}")
    try:
        said = {name: value for name, value in source.items() if name != "place"}
        return open_source(source["place"], **said, motion=inspector.uses_motion, **inspector.preprocessing_.as_learned)
    except UsageError as error:
        raise UsageError(f"{source['place']}, on which this was fitted, is not there any more: {advice}") from error
