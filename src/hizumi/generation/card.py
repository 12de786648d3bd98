"""The model card: what a saved model is, in words."""

from hizumi.generation.modeller import Modeller


def model_card(modeller: Modeller) -> str:
    """Markdown for people who find a model and nothing else."""
    options, card = modeller.options_, modeller.model_.card
    shape = "x".join(str(size) for size in options["shape"])
    classes = [f"- Classes: {', '.join(options['classes'])}."] if options["classes"] else []
    findings = [f"- {finding.name}: {finding.message}. {finding.remedy}." for finding in modeller.findings_]
    return "\n".join(
        [
            f"# {type(modeller.model_).__name__} on {options['data']}",
            "",
            f"A generative model by hizumi {options['hizumi']}: {card.idea} ({card.paper}).",
            "",
            f"- Learned from {options['training_images']} items of shape {shape}.",
            *classes,
            "- What it makes was never seen: use it to study, to augment or to repair data, not as evidence.",
            f"- SHA-256 of the data: {options['data_sha256']}.",
            "",
            "## Health check",
            "",
            *(findings or ["Nothing found."]),
            "",
        ]
    )
