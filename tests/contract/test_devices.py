"""Every class on another device: one that HIZUMI_DEVICE names, such as cuda, or a stand-in on this processor."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from hizumi.detectors import Detector
from hizumi.models import (
    CanContinue,
    CanDecode,
    CanEncode,
    CanReconstruct,
    CanSample,
    CanSampleClasses,
    CanTranslate,
    HasLikelihood,
)
from hizumi.networks.kernels import single_precision_on
from hizumi.registry import construct, find_detectors, find_models, specify
from hizumi.shapes import is_series
from hizumi.training import Trainable, TrainingOptions, loop
from hizumi.training.checkpoint import load_fitted

from .conftest import batch_for, items, options, shapes_of, small
from .test_detectors import assert_close

pytestmark = pytest.mark.device  # torch takes in a new device only before it has trained anything
MODELS, DETECTORS = find_models(), find_detectors()
NAMED = os.environ.get("HIZUMI_DEVICE")
TOLERANCE = 1e-4  # by which scores differ on another device, relative to the scores
OF_A_SEARCH = 0.01  # whose steps repeat errors of rounding

Fabrics = Callable[[], Fabric]


@pytest.fixture
def fabric_there() -> Iterator[Fabrics]:
    """What makes Fabrics of the other device, which can be used within the test."""
    if NAMED:
        yield lambda: loop.launched(TrainingOptions(accelerator=NAMED))  # type: ignore[arg-type]
        return
    from .elsewhere import elsewhere, make_fabric

    with elsewhere():
        yield make_fabric


def answers(model: Trainable, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """What a model makes of the same items by each of its abilities."""
    data, made = items(shape, 4, seed=1), {}
    with torch.no_grad(), single_precision_on(next(model.parameters()).device):
        if isinstance(model, CanSample):
            made["sample"] = model.sample(3, seed=1)
        if isinstance(model, CanSampleClasses) and model.classes:
            labels = torch.tensor([1, 0, 1], device=next(model.parameters()).device)
            made["sample of classes"] = model.sample(3, seed=1, labels=labels)
        if isinstance(model, CanContinue) and is_series(shape):
            made["continued"] = model.continued(data[..., :7], seed=1)
        if isinstance(model, CanReconstruct):
            made["reconstruct"] = model.reconstruct(data)
        if isinstance(model, CanEncode):
            made["encode"] = model.encode(data)
        if isinstance(model, CanEncode) and isinstance(model, CanDecode):
            made["decode"] = model.decode(made["encode"])
        if isinstance(model, CanTranslate):
            made["translate"] = model.translate(data)
        if isinstance(model, HasLikelihood):
            made["log_likelihood"] = model.log_likelihood(data).image
    return made


def test_the_stand_in_refuses_what_a_gpu_refuses(fabric_there: Fabrics) -> None:
    there = fabric_there().device
    layer, number = torch.nn.Linear(3, 2).to(there), torch.tensor(2.0)
    data = torch.ones(4, 3, device=there)
    assert layer(data).device == (data * number).device == there
    assert data[torch.tensor([0, 2])].cpu().tolist() == [[1.0] * 3] * 2
    with pytest.raises(RuntimeError, match="same device"):
        layer(data.cpu())
    with pytest.raises(RuntimeError, match="same device"):
        data + torch.ones(3)
    with pytest.raises(RuntimeError, match="generator"):
        torch.rand(3, device=there, generator=torch.Generator())
    with pytest.raises(TypeError, match="to numpy"):
        data.numpy()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_and_answers_there(name: str, fabric_there: Fabrics) -> None:
    shape = shapes_of(MODELS[name])[0]
    model, fabric = small(name), fabric_there()
    loop.fit([model], batch_for(MODELS[name], shape), options(), fabric=fabric)
    assert {parameter.device.type for parameter in model.parameters()} == {fabric.device.type}
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
    here = small(name).prepare(shape)
    here.load_state_dict({key: value.cpu() for key, value in model.state_dict().items()})
    expected = answers(here.eval(), shape)
    for ability, answer in answers(model, shape).items():
        assert answer.device.type == fabric.device.type, ability
        assert_close(answer.cpu(), expected[ability], 10 * TOLERANCE)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_is_fitted_and_scores_there_as_here(
    name: str, fabric_there: Fabrics, record_property: Callable[[str, Any], None]
) -> None:
    shape = shapes_of(DETECTORS[name])[0]
    fabric, data = fabric_there(), items(shape, 7, seed=1)
    detector: Detector = small(name).fit(items(shape), options(1), fabric=fabric)
    weights = {key: value.clone() for key, value in detector.state_dict().items()}
    anomaly = detector.score(data)
    tensors = (anomaly.image, anomaly.pixel, anomaly.normal, anomaly.reconstruction, *anomaly.terms.values())
    assert {tensor.device.type for tensor in tensors if tensor is not None} == {fabric.device.type}
    assert torch.isfinite(anomaly.image).all()
    assert detector.embed(data).device.type == fabric.device.type
    assert_close(detector.score(data[2:3]).image.cpu(), anomaly.image[2:3].cpu(), max(detector.tolerance, 1e-5))
    contributions = detector.contributions(data)
    assert contributions is None or contributions.device.type == fabric.device.type
    assert all(torch.equal(value, weights[key]) for key, value in detector.state_dict().items())

    here = construct(specify(detector)).prepare(shape)
    load_fitted(here, {key: value.cpu() for key, value in weights.items()})
    expected = here.score(data)
    tolerance = OF_A_SEARCH if detector.card.cost == "search" else TOLERANCE
    record_property(
        "difference", float((anomaly.image.cpu() - expected.image).abs().max() / expected.image.abs().max())
    )
    assert_close(anomaly.image.cpu(), expected.image, tolerance)
    if anomaly.pixel is not None and expected.pixel is not None:
        assert_close(anomaly.pixel.cpu(), expected.pixel, 10 * tolerance)


@pytest.mark.parametrize("name", ["mahalanobis", "reconstruction"])
def test_an_accelerator_among_the_options_is_where_statistics_are_taken_and_scores_computed(
    name: str, fabric_there: Fabrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, shape = fabric_there(), shapes_of(DETECTORS[name])[0]
    monkeypatch.setattr(loop, "launched", lambda training: there)
    detector: Detector = small(name).fit(items(shape), options(1))
    assert detector.score(items(shape, 3, seed=1)).image.device.type == there.device.type


@pytest.mark.skipif(NAMED is not None, reason="is tested on the stand-in alone")
@pytest.mark.parametrize("name", DETECTORS)
def test_where_there_is_no_double_precision_a_detector_trains_and_scores_on_the_cpu(name: str) -> None:
    from .elsewhere import elsewhere, make_fabric

    shape = shapes_of(DETECTORS[name])[0]
    with elsewhere(double=False):
        detector = small(name).fit(items(shape), options(1), fabric=make_fabric())
        assert {value.device.type for value in detector.state_dict().values()} <= {"cpu"}
        assert torch.isfinite(detector.score(items(shape, 3, seed=1)).image).all()


@pytest.mark.skipif(NAMED is not None, reason="is tested on the stand-in alone")
@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_and_samples_without_double_precision(name: str) -> None:
    from .elsewhere import elsewhere, make_fabric

    shape = shapes_of(MODELS[name])[0]
    with elsewhere(double=False):
        model = small(name)
        loop.fit([model], batch_for(MODELS[name], shape), options(2), fabric=make_fabric())
        made = answers(model, shape)
    assert all(torch.isfinite(answer.cpu()).all() for answer in made.values())
