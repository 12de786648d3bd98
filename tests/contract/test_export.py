"""Every detector of the registry as a graph: the numbers of ONNX Runtime, and of OpenVINO, against those of torch."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch

from hizumi.data import Window
from hizumi.detectors import PCA, ControlChart, Detector, Ensemble, GaussianMixture, Likelihood, Mahalanobis
from hizumi.detectors.p_values import Fusion
from hizumi.errors import UsageError
from hizumi.export.exporting import _members
from hizumi.export.graph import Graph
from hizumi.export.tracing import traced
from hizumi.inspection.scoring import EXPECTED, MAP, SCORE, SHARES, scores_of, shares_of
from hizumi.models import Flow, GatedPixelCNN, HasLikelihood, PixelCNN, RowLSTM
from hizumi.preprocessing import Preprocessing
from hizumi.preprocessing.batching import Outputs
from hizumi.registry import find_detectors
from hizumi.runtime.engines import EngineName, start
from hizumi.runtime.inspector import GraphScores
from hizumi.shapes import is_bounded, is_series

from .conftest import items, labelled_shapes, options, small

DETECTORS = find_detectors()
QUICK = {"fused_features", "gaussian_mixture", "ganomaly", "mahalanobis", "one_class_svm", "pca", "reconstruction"}
QUICK |= {"pca-series"}
LEVELS = Window(0.0, 255.0, "uint8")


def cases() -> list[object]:
    """Every detector with every shape it takes; some of them in each run, the others among the slow tests."""
    found = []
    for name, detector in DETECTORS.items():
        shapes = labelled_shapes(detector)
        quick = "vectors" if "vectors" in shapes else "colour odd"
        for label, shape in shapes.items():
            marks = [] if (label == quick and name in QUICK) or f"{name}-{label}" in QUICK else [pytest.mark.slow]
            found.append(pytest.param(name, shape, id=f"{name}-{label}", marks=marks))
    return found


def fitted(name: str, shape: tuple[int, ...]) -> Detector:
    detector: Detector = small(name).fit(items(shape), options())
    return detector


def both(detector: Detector, shape: tuple[int, ...], engine: EngineName = "onnxruntime") -> tuple[Outputs, Outputs]:
    """Outputs for the same 8-bit images, windows or rows, by torch and by the graph, in batches of several sizes."""
    window = LEVELS if is_bounded(shape) else None
    data = items(shape, 13, seed=1)
    crops = data.numpy() if window is None else ((data.clamp(-1, 1) + 1) * 127.5).byte().numpy()
    preprocessing = Preprocessing(window=window)
    graph = GraphScores(start(engine, _members(traced(Graph(detector, window)), engine)), preprocessing)
    parts = [graph(crops[:12]), graph(crops[12:])]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    ours = scores_of(detector, preprocessing)(crops)
    shares = shares_of(detector, preprocessing)(crops) if is_series(shape) else None
    return ours | ({} if shares is None else {SHARES: shares}), joined


def assert_equal(ours: Outputs, theirs: Outputs, tolerance: float = 1e-5) -> None:
    assert theirs.keys() == ours.keys()
    size = float(np.abs(ours[SCORE]).max())
    least = {SCORE: size, MAP: 0.0, EXPECTED: 1.0}  # a term may be far smaller than the score
    for name, values in ours.items():
        unit = max(least.get(name, size), float(np.abs(values).max()))
        np.testing.assert_allclose(theirs[name], values, rtol=0, atol=tolerance * unit)


@pytest.mark.parametrize(("name", "shape"), cases())
def test_graph_gives_the_numbers_of_the_detector(name: str, shape: tuple[int, ...]) -> None:
    detector = fitted(name, shape)
    assert_equal(*both(detector, shape), max(1e-5, detector.tolerance))


@pytest.mark.parametrize(
    ("name", "shape"),
    [pytest.param("reconstruction", (1, 32, 32), marks=pytest.mark.slow), ("mahalanobis", (6,))],
)
def test_openvino_gives_them_too(name: str, shape: tuple[int, ...]) -> None:
    assert_equal(*both(fitted(name, shape), shape, "openvino"))


def test_openvino_tells_the_gaussians_of_a_mixture_apart() -> None:
    narrow, wide = items((6,), 60), 8 + 3 * items((6,), 60, seed=1)
    detector = GaussianMixture().fit(torch.cat([narrow, wide]), options())
    assert len(detector.means) > 1
    assert_equal(*both(detector, (6,), "openvino"))


@pytest.mark.parametrize(
    "fusion",
    [pytest.param(fusion, marks=[] if fusion == "fisher" else pytest.mark.slow) for fusion in get_args(Fusion)],
)
def test_p_values_however_fused(fusion: Fusion) -> None:
    normal = items((6,), 200)
    detector = Ensemble((Mahalanobis(), PCA()), fusion).fit(normal, options())
    near_and_far = torch.cat([normal, torch.logspace(-2, 2, 200)[:, None] * normal])  # those of the reference, too
    ours = detector.score(near_and_far).image.numpy()
    model = traced(Graph(detector, None))
    # Where reference scores lie close together, a p-value falls steeply between them.
    for engine, rtol in dict[EngineName, float](onnxruntime=1e-6, openvino=1e-3).items():
        theirs = start(engine, _members(model, engine))(near_and_far.numpy())[SCORE]
        np.testing.assert_allclose(theirs, ours, rtol=rtol)


@pytest.mark.slow
def test_a_score_by_slopes_can_be_traced() -> None:
    detector = small("distillation")
    detector.map_kind = "gradient"
    detector.fit(items((1, 32, 32)), options())
    torch_scores, graph_scores = both(detector, (1, 32, 32))
    np.testing.assert_allclose(graph_scores[SCORE], torch_scores[SCORE], rtol=1e-5)


def test_what_cannot_be_traced_is_said_in_one_line() -> None:
    detector = ControlChart(small("mahalanobis"))
    detector.fit(items((6,), 40), options())
    with pytest.raises(UsageError, match=r"ControlChart cannot be exported with these settings: ONNX has no .*ndtri"):
        traced(Graph(detector, None))


def test_rows_come_back_in_their_own_units() -> None:
    rows = 1000 + 50 * items((6,))
    detector = small("reconstruction")
    detector.fit(rows, options(200))
    graph = Graph(detector, None)
    names = [port.name for port in graph.ports()[1]]
    with torch.no_grad():
        normal = graph(rows)[names.index("normal")]
    assert float((normal - rows).abs().mean()) < 100


@pytest.mark.parametrize(
    "model",
    [
        lambda: GatedPixelCNN(levels=4, width=8, layers=1),
        pytest.param(lambda: Flow(levels=2, steps=1, width=4), marks=pytest.mark.slow),
        pytest.param(lambda: Flow("positions", steps=1, width=4), marks=pytest.mark.slow),
    ],
)
def test_likelihoods_of_pixels_in_batches_of_any_size(model: Callable[[], HasLikelihood]) -> None:
    shape = (1, 8, 8)
    detector = Likelihood(model())
    assert_equal(*both(detector.fit(items(shape), options()), shape))


@pytest.mark.parametrize(
    ("detector", "reason"),
    [
        (lambda: Likelihood(RowLSTM(levels=2, hidden=3, layers=1)), "line by line"),
        (lambda: Likelihood(PixelCNN(levels=2, width=4, blocks=1), image_score="complexity"), "PNG files"),
    ],
)
def test_what_no_graph_can_hold_is_said_in_words(detector: Callable[[], Detector], reason: str) -> None:
    shape = (1, 8, 8)
    with pytest.raises(UsageError, match=reason):
        traced(Graph(detector().fit(items(shape), options()), LEVELS))
