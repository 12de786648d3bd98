"""Metrics of verdicts, of time series and of generated items: with intervals, and distances between sets."""

from hizumi.evaluation.bootstrap import (
    Estimate as Estimate,
    image_estimates as image_estimates,
    pixel_estimates as pixel_estimates,
)
from hizumi.evaluation.causal import (
    CausalMeasures as CausalMeasures,
    causal_measures as causal_measures,
)
from hizumi.evaluation.evaluation import (
    Evaluation as Evaluation,
    Evaluator as Evaluator,
    KindResult as KindResult,
    evaluate as evaluate,
)
from hizumi.evaluation.events import EventCounts as EventCounts
from hizumi.evaluation.generation import (
    Agreement as Agreement,
    ModeCoverage as ModeCoverage,
    Similarity as Similarity,
    bits_per_dimension as bits_per_dimension,
    class_agreement as class_agreement,
    density_coverage as density_coverage,
    frechet_distance as frechet_distance,
    mode_coverage as mode_coverage,
    precision_recall as precision_recall,
    similarity as similarity,
)
from hizumi.evaluation.metrics import (
    Confusion as Confusion,
    auroc as auroc,
    average_precision as average_precision,
    best_f1 as best_f1,
    binomial_acceptance as binomial_acceptance,
    binomial_interval as binomial_interval,
    confusion_at as confusion_at,
)
from hizumi.evaluation.pixels import (
    aupro as aupro,
    pixel_auroc as pixel_auroc,
    pixel_average_precision as pixel_average_precision,
)
from hizumi.evaluation.series import (
    SeriesMeasure as SeriesMeasure,
    SeriesMeasures as SeriesMeasures,
    series_measures as series_measures,
)
from hizumi.evaluation.volume import (
    Volumes as Volumes,
    volumes_under_surfaces as volumes_under_surfaces,
)
