"""Every check on every detector that the registry finds."""

import copy
import inspect
import pickle
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hizumi.data.guard import trusted
from hizumi.detectors import Detector, Likelihood
from hizumi.errors import DataError, NotFittedError, UsageError
from hizumi.models import Flow, GatedPixelCNN, PixelCNN
from hizumi.registry import construct, find_detectors, specify
from hizumi.shapes import is_bounded, is_series
from hizumi.training import Trainable

from .conftest import CLASSES, cases, equal_states, items, options, shapes_of, small, wrong_for

DETECTORS = find_detectors()


def fitted(name: str, shape: tuple[int, ...], **changes: object) -> Detector:
    detector: Detector = small(name).fit(items(shape), options(**changes))
    return detector


class Roundings(TorchDispatchMode):
    """Collects operations that make numbers of fewer bits than double precision has."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        made = [each for each in tree_leaves(result) if isinstance(each, torch.Tensor) and each.is_floating_point()]
        if any(each.dtype != torch.float64 for each in made):
            self.found.add(str(function))
        return result


def assert_scores_in_double(detector: Detector, shape: tuple[int, ...]) -> None:
    data = items(shape, 5, seed=1)
    single = detector.score(data).image.double()
    doubled = copy.deepcopy(detector).double()
    with torch.no_grad(), Roundings() as roundings:
        double = doubled(data.double())
    assert roundings.found == set()
    tensors = (double.image, double.pixel, double.expected, *double.terms.values())
    assert {tensor.dtype for tensor in tensors if tensor is not None} == {torch.float64}
    assert_close(double.image, single, 1e-4)


def assert_close(first: torch.Tensor, second: torch.Tensor, tolerance: float) -> None:
    scale = float(first.abs().max().clamp(min=1e-6))
    assert float((first - second).abs().max()) <= tolerance * scale


ADVERSARIAL = ("alad", "anogan", "egbad", "f_anogan", "ganomaly", "skip_ganomaly")
LONG_TO_TRAIN = (
    "grey",
    "four channels",
    "grey with flow",
    *(f"{name}-colour odd" for name in ("alad", "anogan", "con_ad", "draem", "egbad")),
    "cross_channel-colour with flow, odd",
    *(f"{name}-series" for name in (*ADVERSARIAL, "con_ad", "deep_svdd")),
)
LONGER = {"draem": 400}  # steps; after 150 its area under the ROC curve is .49 to 1.00, by the seed


def slowly(names: Iterable[str], *slow: str) -> list[Any]:
    """Names, of which some wait for the slow tests."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in names]


LONG = [f"{name}-{shape}" for name in ("anogan", "deep_one_class") for shape in ("colour odd", "four channels")]


@pytest.mark.parametrize("name", DETECTORS)
def test_constructible_and_arguments_kept(name: str) -> None:
    detector = DETECTORS[name]()
    for argument, parameter in inspect.signature(DETECTORS[name]).parameters.items():
        value = getattr(detector, argument)
        parts = value if isinstance(value, tuple) else (value,)
        assert value == parameter.default or all(isinstance(part, Trainable | Detector) for part in parts)
    assert specify(construct(specify(detector))) == specify(detector)
    card = DETECTORS[name].card
    assert card.family
    assert card.idea
    assert card.paper


@pytest.mark.parametrize(("name", "shape"), cases(DETECTORS, slow=LONG))
def test_scores_in_double_precision_throughout(name: str, shape: tuple[int, ...]) -> None:
    if DETECTORS[name].card.cost == "search":
        pytest.skip("a search starts from random codes drawn in single precision")
    assert_scores_in_double(fitted(name, shape), shape)


@pytest.mark.parametrize(
    "model",
    [
        GatedPixelCNN(levels=4, width=8, layers=1),
        PixelCNN(levels=2, width=4, blocks=1),
        Flow(levels=1, steps=1, width=4),
    ],
)
def test_likelihoods_of_pixels_are_computed_in_double_precision_too(model: GatedPixelCNN | PixelCNN | Flow) -> None:
    assert_scores_in_double(Likelihood(model).fit(items((1, 8, 8)), options()), (1, 8, 8))


@pytest.mark.parametrize("name", DETECTORS)
def test_presets_are_whole(name: str) -> None:
    detector = DETECTORS[name]
    assert "fast" in detector.presets or not detector().phases()
    for preset in detector.presets.values():
        made = preset.make()
        assert type(made) is detector
        assert specify(construct(specify(made))) == specify(made)
        budgets = preset.options.budgets([phase.default_budget for phase in made.phases()])
        assert all(budget.total_steps(1) is not None for budget in budgets)


@pytest.mark.parametrize("found", CLASSES.values())
def test_exemptions_are_from_checks_that_there_are(found: type[Detector] | type[Trainable]) -> None:
    files = Path(__file__).parent.glob("test_*.py")
    checks = {check for file in files for check in re.findall(r"^def test_(\w+)", file.read_text(), re.MULTILINE)}
    assert found.exemptions.keys() <= checks
    assert all(reason.strip() for reason in found.exemptions.values())


@pytest.mark.parametrize("name", DETECTORS)
def test_score_before_fit_refuses(name: str) -> None:
    with pytest.raises(NotFittedError, match="call fit first"):
        DETECTORS[name]().score(items((1, 32, 32)))


@pytest.mark.parametrize(("name", "shape"), cases(DETECTORS, slow=LONG))
def test_scores_are_whole_repeatable_and_each_by_itself(name: str, shape: tuple[int, ...]) -> None:
    detector = small(name)
    assert detector.fit(items(shape), options()) is detector
    data = items(shape, 13, seed=1)
    weights = {key: value.clone() for key, value in detector.state_dict().items()}
    random_state = torch.get_rng_state()
    anomaly = detector.score(data)

    assert anomaly.image.shape == (13,)
    assert anomaly.image.dtype.is_floating_point
    assert torch.isfinite(anomaly.image).all()
    assert all(term.shape == (13,) and torch.isfinite(term).all() for term in anomaly.terms.values())
    assert (anomaly.pixel is not None) == (detector.card.localises and len(shape) == 3)
    if anomaly.pixel is not None:
        assert anomaly.pixel.shape == (13, 1, *shape[1:])
        assert torch.isfinite(anomaly.pixel).all()
    assert all(shown is None or shown.shape == data.shape for shown in (anomaly.normal, anomaly.reconstruction))

    contributions = detector.contributions(data)
    if contributions is not None:
        assert contributions.shape == data.shape
        assert contributions.min() >= 0
        assert_close(contributions.flatten(1).sum(1), anomaly.image, 1e-5)

    alone = [detector.score(data[i : i + 1]) for i in range(13)]
    assert_close(anomaly.image, torch.cat([one.image for one in alone]), detector.tolerance)
    order = torch.randperm(13, generator=torch.Generator().manual_seed(3))
    assert_close(anomaly.image[order], detector.score(data[order], batch_size=5).image, detector.tolerance)
    assert torch.equal(anomaly.image, detector.score(data).image)
    assert all(torch.equal(value, weights[key]) for key, value in detector.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert detector.embed(data).shape[0] == 13


@pytest.mark.parametrize(("name", "shape"), cases(DETECTORS))
def test_saved_state_gives_equal_scores(name: str, shape: tuple[int, ...]) -> None:
    from hizumi.training.checkpoint import load_fitted

    detector = fitted(name, shape)
    random_state = torch.get_rng_state()
    again = construct(specify(detector)).prepare(shape)
    assert torch.equal(torch.get_rng_state(), random_state)
    load_fitted(again, detector.state_dict())
    data = items(shape, 9, seed=2)
    first, second = detector.score(data), again.score(data)
    assert torch.equal(first.image, second.image)
    assert first.pixel is None or torch.equal(first.pixel, second.pixel)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_fitted_detector_can_be_pickled_and_copied(name: str) -> None:
    shape = shapes_of(DETECTORS[name])[0]
    detector, data = fitted(name, shape), items(shape, 5, seed=2)
    again = pickle.loads(pickle.dumps(detector))  # as scikit-learn and joblib do
    for copied in (again, copy.deepcopy(detector), pickle.loads(pickle.dumps(again))):
        assert torch.equal(copied.score(data).image, detector.score(data).image)


@pytest.mark.parametrize("name", slowly(DETECTORS, "anogan", "deep_one_class"))
def test_scores_are_each_by_itself_in_bfloat16(name: str) -> None:
    shape = shapes_of(DETECTORS[name])[0]
    detector = fitted(name, shape)
    data = items(shape, 7, seed=1)
    together = detector.score(data, precision="bf16-mixed").image
    alone = torch.cat([detector.score(data[i : i + 1], precision="bf16-mixed").image for i in range(7)])
    assert together.dtype == detector.score(data).image.dtype
    assert_close(together, alone, detector.tolerance_in_bf16)


@pytest.mark.parametrize("precision", ["32-true", pytest.param("bf16-mixed", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", slowly(DETECTORS, "deep_one_class"))
def test_resumed_run_equals_straight_run(name: str, precision: str, tmp_path: Path) -> None:
    shape = shapes_of(DETECTORS[name])[0]

    class KilledError(Exception):
        pass

    def kill(record: object) -> None:
        if isinstance(record, dict) and record["step"] == 4:
            raise KilledError

    straight = small(name)
    straight.fit(items(shape), options(6, precision=precision))
    resumed = small(name)
    often = options(6, checkpoint_seconds=0.0, precision=precision)
    if resumed.phases():
        with pytest.raises(KilledError):
            resumed.fit(items(shape), often, run_folder=tmp_path, observe=kill)
    resumed = small(name)
    resumed.fit(items(shape), often, run_folder=tmp_path)
    assert equal_states(straight, resumed)


@pytest.mark.parametrize("name", slowly(DETECTORS, "deep_one_class"))
def test_what_cannot_be_scored_is_refused_in_words(name: str) -> None:
    shape = shapes_of(DETECTORS[name])[0]
    detector = fitted(name, shape)
    called, data = type(detector).__name__, items(shape, 3, seed=1)
    for method in (detector.score, detector, detector.embed):
        for given, words in wrong_for(data):
            with pytest.raises(DataError, match=f"^{called} .*{words}") as refused:
                method(given)
            assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match=f"{called}.score: batch_size is 0"):
        detector.score(data, batch_size=0)
    for given, words in wrong_for(items(shape))[2:]:
        with pytest.raises(DataError, match=f"^{called} .*{words}"):
            detector.fit(given, options())
    with pytest.raises(DataError, match=f"^{called} .*numbers"):
        detector.fit("good", options())
    expected = detector.score(data).image
    assert_close(detector.score(data.double().numpy()).image, expected, 1e-6)
    assert_close(detector(data.double()).image.detach().float(), expected.float(), 1e-4)


@pytest.mark.parametrize("name", [n for n, found in DETECTORS.items() if "vectors" not in found.card.inputs])
def test_kinds_that_a_detector_cannot_take_are_refused(name: str) -> None:
    detector = small(name)
    with pytest.raises(DataError, match=r"works on (images|series), not on vectors"):
        detector.fit(items((6,)), options())


@pytest.mark.parametrize("name", [n for n, found in DETECTORS.items() if found.card.no_series])
def test_series_are_refused_with_the_reason(name: str) -> None:
    detector = small(name)
    with pytest.raises(
        DataError, match=f"^{type(detector).__name__} does not work on series: {detector.card.no_series}$"
    ):
        detector.fit(items((2, 1, 32)), options())


@pytest.mark.parametrize(("name", "shape"), cases(DETECTORS, slow=LONG_TO_TRAIN))
def test_toy_anomaly_scores_higher_than_normal(name: str, shape: tuple[int, ...]) -> None:
    detector = small(name)
    steps = LONGER.get(name, 150) if detector.phases() else 1
    detector.fit(items(shape, 96), options(steps))
    normal = items(shape, 24, seed=7)
    generator = torch.Generator().manual_seed(8)
    if len(shape) == 1:
        anomalous = normal + 3 * torch.randn(normal.shape, generator=generator)
    else:
        anomalous = normal.clone()
        changed = anomalous[:, :, slice(None) if is_series(shape) else slice(4, 12), 4:12]
        changed[:] = (torch.rand(changed.shape, generator=generator) * 2 - 1) * (3 if is_series(shape) else 1)
    good, bad = detector.score(normal), detector.score(anomalous)
    wins = (bad.image[:, None] > good.image[None]).float().mean()
    assert wins > 0.8, f"area under the ROC curve {wins:.3f}"
    if bad.pixel is not None:
        rows = slice(None) if is_series(shape) else slice(5, 11)
        inside, outside = bad.pixel[:, 0, rows, 5:11].mean(), bad.pixel[:, 0, -4:, -4:].mean()
        assert inside > outside


@pytest.mark.parametrize(("name", "shape"), cases(DETECTORS))
def test_absurd_values_are_never_normal_and_leave_their_batch_alone(name: str, shape: tuple[int, ...]) -> None:
    detector = fitted(name, shape)
    highest = detector.score(items(shape)).image.max()
    for value in (1e10, 1e38, -1e38):
        data = items(shape, 3, seed=1)
        alone = detector.score(data[[0, 2]]).image
        data[1].view(-1)[7 % data[1].numel()] = value
        if is_bounded(shape):
            with pytest.raises(DataError, match="scale pixels to"):
                detector.score(data)
        with trusted():  # as Inspector scores what it has read
            scores = detector.score(data).image
        assert_close(scores[[0, 2]], alone, max(detector.tolerance, 1e-6))
        # A score that is not finite is a failure of its record.
        assert not torch.isfinite(scores[1]) or scores[1] > highest, value
