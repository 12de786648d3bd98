"""The model card: what a bundle is, in words."""

from hizumi.inspection.inspector import Inspector


def model_card(inspector: Inspector) -> str:
    """Markdown for people who find a bundle and nothing else."""
    options, card, calibration = inspector.options_, inspector.detector_.card, inspector.calibration_
    held_out = "other" if options["folds"] is None else "cross-fitted"
    shape = "x".join(str(size) for size in options["shape"])
    findings = [f"- {finding.name}: {finding.message}. {finding.remedy}." for finding in inspector.findings_]
    return "\n".join(
        [
            f"# {type(inspector.detector_).__name__} on {options['data']}",
            "",
            f"An anomaly detector by hizumi {options['hizumi']}: {card.idea} ({card.paper}).",
            "",
            f"- Fitted on {options['training_images']} normal items of shape {shape}.",
            f"- Threshold from {options['calibration_images']} {held_out} normal items. {calibration.promise()}",
            "- Valid for the same camera, light and preprocessing as the normal items it was fitted on.",
            f"- SHA-256 of the data: {options['data_sha256']}.",
            "",
            "## Health check",
            "",
            *(findings or ["Nothing found."]),
            "",
        ]
    )
