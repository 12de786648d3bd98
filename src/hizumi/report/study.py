"""The page of a search for settings: what was tried, what came of it, and what mattered."""

from pathlib import Path

from hizumi.report import study_figures
from hizumi.report.page import environment, frame, shown
from hizumi.runs.study import Study
from hizumi.storage.files import write_atomically


def write_study(path: Path, study: Study) -> Path:
    """Write it as one self-contained HTML file."""
    best, begun = study.best, study.begun
    ranked = sorted(study.trials, key=lambda trial: (trial.state != "complete", -(trial.value or 0.0)))
    context = frame(f"Settings of {study.detector}", f"searched on {study.data}") | {
        "study": study,
        "best": best,
        "begun": begun,
        "names": list(begun.settings),
        "ranked": ranked,
        "counts": ", ".join(f"{count} {state}" for state, count in study.counts().items()),
        "history": shown(study_figures.history(study), "Value of each trial, and the best so far"),
        "importances": shown(study_figures.importances(study), "Importance of each setting"),
        "slices": shown(study_figures.slices(study), "Value of each trial against each setting", "figure broad"),
    }
    write_atomically(path, environment().get_template("study.html.jinja").render(context).encode())
    return path
