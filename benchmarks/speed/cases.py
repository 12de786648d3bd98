"""All cases by the names that they are asked for by, in the order of the table."""

from collections.abc import Callable

from benchmarks.speed.ceilings import ceilings
from benchmarks.speed.collection import series
from benchmarks.speed.commands import score_cold, start
from benchmarks.speed.features import features_files, features_fit
from benchmarks.speed.files import epoch, memory
from benchmarks.speed.following import follow
from benchmarks.speed.growth import growth
from benchmarks.speed.measuring import Report, Setting
from benchmarks.speed.pixels import pixel_sampling, recurrent
from benchmarks.speed.scoring import score_agreement
from benchmarks.speed.searching import anogan_equal, anogan_step
from benchmarks.speed.serving import score_batch, score_files, score_one
from benchmarks.speed.station import station
from benchmarks.speed.training import train_agreement, train_all, train_ganomaly

CASES: dict[str, Callable[[Setting], Report]] = {
    "ceilings": ceilings,
    "train-ganomaly": train_ganomaly,
    "train-agreement": train_agreement,
    "train-all": train_all,
    "score-batch": score_batch,
    "score-agreement": score_agreement,
    "score-files": score_files,
    "score-cold": score_cold,
    "score-one": score_one,
    "features-files": features_files,
    "features-fit": features_fit,
    "anogan-step": anogan_step,
    "anogan-equal": anogan_equal,
    "pixel-sampling": pixel_sampling,
    "recurrent": recurrent,
    "epoch": epoch,
    "memory": memory,
    "start": start,
    "station": station,
    "follow": follow,
    "growth": growth,
    "series": series,
}
