"""From a fitted inspector and labelled data to everything that a report shows."""

from dataclasses import replace

from hizumi.calibration import Verdict
from hizumi.data import Manifest
from hizumi.data.masks import with_usable_masks
from hizumi.data.progress import Observer
from hizumi.errors import DataError
from hizumi.evaluation import evaluate
from hizumi.inspection import Inspector
from hizumi.inspection.verdicts import counted_notes
from hizumi.report.content import ReportContent


def assess(
    inspector: Inspector, manifest: Manifest, *, strict: bool = False, observe: Observer | None = None
) -> ReportContent:
    """Inspect all records of a manifest and gather what a report shows; measured where records have labels."""
    masked = sum(record.mask is not None for record in manifest.records)
    manifest = inspector.preprocessing_.decoding(manifest)
    manifest = with_usable_masks(manifest, strict=strict)  # before the scoring, which takes much longer
    refused = masked - sum(record.mask is not None for record in manifest.records)
    items = list(inspector.inspect_each(manifest, strict=strict, observe=observe))
    verdicts = [item for item in items if isinstance(item, Verdict)]
    failures = [(item.name, item.reason) for item in items if not isinstance(item, Verdict)]
    if not verdicts:
        raise DataError(f"{manifest.name}: none of {len(manifest)} could be read; the first: {': '.join(failures[0])}")
    read = [index for index, item in enumerate(items) if isinstance(item, Verdict)]
    manifest = replace(manifest, records=tuple(manifest.records[index] for index in read))
    labels = [record.label for record in manifest.records]
    masks = [manifest.read_mask(index) for index in range(len(manifest))]
    evaluation = None
    if any(label is not None for label in labels):
        evaluation = evaluate(
            verdicts,
            labels=labels,
            kinds=[record.kind for record in manifest.records],
            masks=masks,
            calibration=inspector.calibration_,
            refused_masks=refused,
        )
    detector = inspector.options_["detector"]["name"]
    return ReportContent(
        title=f"{detector} on {manifest.name}",
        subtitle=inspector.detector_.card.idea,
        detector=detector,
        verdicts=verdicts,
        calibration=inspector.calibration_,
        evaluation=evaluation,
        masks=masks,
        journal=inspector.journal_.records,
        findings=inspector.findings_,
        options=inspector.options_,
        features=inspector.embed(manifest),
        data_notes=(*manifest.notes, *counted_notes(verdicts)),
        failures=failures,
        unopened=[(each.name, each.reason) for each in manifest.unopened],
        differences=inspector.preprocessing_.differences(_good_ones(manifest)),
    )


def _good_ones(manifest: Manifest) -> Manifest:
    """The records labelled good; all of them where none is."""
    good = tuple(record for record in manifest.records if record.label == 0)
    return replace(manifest, records=good or manifest.records)
