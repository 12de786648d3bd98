"""Did a detector learn? Looked at after every fit."""

import numpy as np
import torch
from jaxtyping import Float

from hizumi.data import Store
from hizumi.detectors import Detector
from hizumi.preprocessing import Preprocessing, in_batches
from hizumi.preprocessing.batching import BATCH_SIZE, Outputs
from hizumi.preprocessing.reading import stored_pieces
from hizumi.preprocessing.window_health import check_window
from hizumi.training.health import Finding, check_losses, check_reconstructions, check_scores
from hizumi.training.journal import Journal

TRAINING_ITEMS = 256  # at most


def check_detector(
    detector: Detector,
    preprocessing: Preprocessing,
    store: Store,
    held_out: Float[np.ndarray, "n"],
    journal: Journal,
) -> list[Finding]:
    """Findings in the pixel values, the journal, some training items, and the scores of the held-out ones."""

    def looked_at(crops: np.ndarray) -> Outputs:
        items = preprocessing.to_model(crops)
        anomaly = detector.score(torch.from_numpy(items), BATCH_SIZE)
        outputs = {"item": items, "score": anomaly.image.double().cpu().numpy()}
        if anomaly.reconstruction is None or preprocessing.vectors:
            return outputs
        return outputs | {"reconstruction": anomaly.reconstruction.float().cpu().numpy()}

    rows = [item[1] for item in in_batches(looked_at, stored_pieces(store, TRAINING_ITEMS)) if isinstance(item, tuple)]
    together = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    findings = check_window(store) + check_losses(journal.records)
    if not preprocessing.tiled:  # a tile scores below the worst tile of an image
        findings += check_scores(together["score"], held_out, store.manifest.noun)
    if "reconstruction" in together:
        findings += check_reconstructions(together["item"], together["reconstruction"])
    return findings
