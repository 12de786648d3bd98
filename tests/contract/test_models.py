"""Every check on every generative model that the registry finds."""

import copy
import inspect
import pickle
from collections import Counter
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from hizumi.errors import DataError, NotFittedError, UsageError
from hizumi.models import (
    CanContinue,
    CanDecode,
    CanEncode,
    CanReconstruct,
    CanSample,
    CanTranslate,
    HasLikelihood,
    HasPrior,
)
from hizumi.models.guarded import GUARDS
from hizumi.registry import construct, find_models, specify
from hizumi.shapes import is_series
from hizumi.training import Trainable
from hizumi.training.checkpoint import load_training_state, training_state

from .conftest import CLASSES, batch_for, cases, equal_states, items, options, small, take_steps, wrong_for

MODELS = find_models()
STEPS = 6  # enough for everyone's turn


@pytest.mark.parametrize("name", MODELS)
def test_constructible_and_arguments_kept(name: str) -> None:
    model = MODELS[name]()
    for argument, parameter in inspect.signature(MODELS[name]).parameters.items():
        assert getattr(model, argument) == parameter.default
    assert specify(construct(specify(model))) == specify(model)
    assert MODELS[name].card.paper


@pytest.mark.parametrize("name", MODELS)
def test_presets_are_whole(name: str) -> None:
    for preset in MODELS[name].presets.values():
        made = preset.make()
        assert type(made) is MODELS[name]
        assert specify(construct(specify(made))) == specify(made)
        (budget,) = preset.options.budgets([made.default_budget])
        assert budget.total_steps(1) is not None


@pytest.mark.parametrize(("name", "shape"), cases(MODELS))
def test_step_is_finite_and_moves_every_parameter(name: str, shape: tuple[int, ...]) -> None:
    model = small(name)
    assert isinstance(model, Trainable)
    torch.manual_seed(0)
    model.prepare(shape).train()
    trained = {id(p) for o in model.optimisers.values() for group in o.param_groups for p in group["params"]}
    before = {key: value.clone() for key, value in model.named_parameters()}
    losses = take_steps(model, batch_for(type(model), shape, 8), STEPS)
    assert all(torch.isfinite(loss) and not loss.requires_grad for loss in losses.values())
    still = [key for key, value in model.named_parameters() if id(value) in trained and torch.equal(value, before[key])]
    assert not still


@pytest.mark.parametrize("name", MODELS)
def test_each_update_moves_only_its_own_networks(name: str) -> None:
    model = small(name)
    assert isinstance(model, Trainable)
    model.prepare((1, 16, 16)).train()
    owners = {n: {id(p) for g in o.param_groups for p in g["params"]} for n, o in model.optimisers.items()}
    moved: dict[str, set[int]] = {}
    update = Trainable.update

    def watched(self: Trainable, optimiser: str, loss: torch.Tensor) -> torch.Tensor:
        before = {id(p): p.detach().clone() for p in self.parameters()}
        result = update(self, optimiser, loss)
        changed = {id(p) for p in self.parameters() if not torch.equal(p, before[id(p)])}
        moved.setdefault(optimiser, set()).update(changed)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainable, "update", watched)
        take_steps(model, batch_for(type(model), (1, 16, 16), 8), STEPS)
    assert moved.keys() == owners.keys()
    assert all(moved[optimiser] <= owners[optimiser] and moved[optimiser] for optimiser in owners)


LONGEST = ("row_lstm", "diagonal_bilstm", "pixel_cnn", "gated_pixel_cnn")  # in their image with colour


@pytest.mark.parametrize(
    ("name", "shape"),
    cases(MODELS, slow=("four channels", "diagonal_bilstm-grey", *(f"{name}-colour odd" for name in LONGEST))),
)
def test_abilities_keep_shape_and_are_repeatable(name: str, shape: tuple[int, ...]) -> None:
    model = small(name)
    assert isinstance(model, Trainable)
    data = items(shape, 10)
    assert model.fit(batch_for(type(model), shape, 10), options()) is model
    state = torch.get_rng_state()
    with torch.no_grad():
        if isinstance(model, CanSample):
            samples = model.sample(5, seed=1)
            assert samples.shape == (5, *shape)
            assert torch.equal(samples, model.sample(5, seed=1))
            assert not torch.equal(samples, model.sample(5, seed=2))
        if isinstance(model, CanContinue) and is_series(shape):
            start = 2 * samples[..., :7]  # beyond what the model makes, too
            continued = model.continued(start, seed=1)
            assert continued.shape == samples.shape
            assert torch.equal(continued[..., :7], start)
            assert torch.equal(continued, model.continued(start, seed=1))
            assert not torch.equal(continued, model.continued(start, seed=2))
        if isinstance(model, CanReconstruct):
            assert model.reconstruct(data).shape == data.shape
        if isinstance(model, CanEncode):
            assert len(model.encode(data)) == len(data)
        if isinstance(model, CanEncode) and isinstance(model, CanDecode):
            assert model.decode(model.encode(data)).shape == data.shape
        if isinstance(model, HasPrior):
            codes = torch.randn(5, model.latent, generator=torch.Generator().manual_seed(1))
            noise = model.sample(5, seed=1) - model.decode(codes)
            assert float(noise.detach().std()) == pytest.approx(model.spread(), rel=0.25)
        if isinstance(model, CanTranslate):
            translated = model.translate(data)
            assert translated.shape == data.shape
            assert torch.equal(model.translate(data), translated)
            torch.testing.assert_close(model.translate(data[3:4]), translated[3:4], rtol=1e-4, atol=1e-5)
        if isinstance(model, HasLikelihood):
            whole, one = model.log_likelihood(data), model.log_likelihood(data[3:4])
            torch.testing.assert_close(whole.image[3:4], one.image, rtol=1e-5, atol=1e-3)
            assert whole.pixel is None or whole.pixel.shape == (10, 1, *shape[1:])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", MODELS)
def test_what_a_model_cannot_take_is_refused_in_words(name: str) -> None:
    model = small(name)
    assert isinstance(model, Trainable)
    shape, called = (1, 16, 16), type(model).__name__
    abilities = {n: getattr(model, n) for n in GUARDS if hasattr(model, n)}
    for method in abilities.values():
        with pytest.raises(NotFittedError, match="call fit first"):
            method(1)
    whole = torch.zeros(4, *shape, dtype=torch.uint8)
    beside = torch.zeros(4, dtype=torch.int64) if "labels" in model.card.needs else whole
    with pytest.raises(DataError, match=f"^{called} takes images as floating-point numbers"):
        model.fit((whole, beside) if model.card.parts else whole)
    model.prepare(shape).eval()
    data = items(shape, 3)
    for ability, method in abilities.items():
        if ability == "sample":
            for wrong in ((0,), (2.5,), (True,), ("2",), (1, -1), (1, 2**70), (1, 0.5)):
                with pytest.raises(UsageError, match=rf"^{called}.sample: (count|seed) is .*whole number"):
                    method(*wrong)
        elif ability == "continued":
            with pytest.raises(UsageError, match=rf"^{called}.continued goes on with series"):
                method(data[..., :2])
        elif ability != "decode":
            for given, words in wrong_for(data):
                with pytest.raises(DataError, match=f"^{called}.{ability} .*{words}"):
                    method(given)
            with torch.no_grad():
                result, as_array = method(data), method(data.double().numpy())
            assert torch.equal(*(each.image if ability == "log_likelihood" else each for each in (result, as_array)))
    if "decode" in abilities:
        with torch.no_grad():
            good = model.encode(data) if isinstance(model, CanEncode) else torch.zeros(3, model.latent)
            for codes, words in (
                (good[:, :-1], r"takes codes \(n, "),
                (good[0], "takes codes"),
                (good[:0], "no codes"),
            ):
                with pytest.raises(DataError, match=f"^{called}.decode .*{words}"):
                    model.decode(codes)
            with pytest.raises(DataError, match=f"^{called}.decode was given nan in item 0"):
                model.decode(good / 0 * 0)
            assert torch.equal(model.decode(good.double().numpy()), model.decode(good))


@pytest.mark.parametrize("name", MODELS)
def test_fit_twice_is_fit_once(name: str) -> None:
    data = batch_for(MODELS[name], (1, 16, 16))
    once, twice = small(name), small(name)
    assert isinstance(once, Trainable)
    assert isinstance(twice, Trainable)
    once.fit(data, options())
    twice.fit(batch_for(MODELS[name], (1, 16, 16), seed=5), options())
    twice.fit(data, options())
    assert equal_states(once, twice)


@pytest.mark.parametrize("name", MODELS)
def test_a_fitted_model_can_be_pickled(name: str) -> None:
    fitted = small(name)
    assert isinstance(fitted, Trainable)
    fitted.fit(batch_for(MODELS[name], (1, 16, 16)), options())
    again = pickle.loads(pickle.dumps(fitted))  # as scikit-learn and joblib do
    assert equal_states(again, fitted)


@pytest.mark.parametrize("name", MODELS)
def test_training_state_round_trip(name: str) -> None:
    data = batch_for(MODELS[name], (1, 16, 16), 8)
    torch.manual_seed(0)
    first = small(name).prepare((1, 16, 16)).train()
    take_steps(first, data, 2)
    state = copy.deepcopy(training_state(first))
    second = small(name).prepare((1, 16, 16)).train()
    load_training_state(second, state)
    for model in (first, second):
        model.clock.steps_done, model.clock.progress = 2, 2 / STEPS
        torch.manual_seed(1)
        model.step(data)
    assert equal_states(first, second)


@pytest.mark.parametrize("name", MODELS)
def test_accumulation_takes_as_many_optimiser_steps(name: str) -> None:
    data = batch_for(MODELS[name], (1, 16, 16))
    taken: list[Counter[str]] = []
    for accumulation in (1, 2):
        model = small(name)
        assert isinstance(model, Trainable)
        names: Counter[str] = Counter()

        def count(optimiser: Optimizer, *_: Any, model: Any = model, names: Counter[str] = names) -> None:
            names.update(name for name, each in model.optimisers.items() if each is optimiser)

        handle = register_optimizer_step_post_hook(count)
        try:
            model.fit(data, options(STEPS, accumulation=accumulation))
        finally:
            handle.remove()
        assert model.images_seen == accumulation * STEPS * 8
        taken.append(names)
    assert taken[0] == taken[1]
    assert taken[0]


@pytest.mark.parametrize("name", [name for name, found in MODELS.items() if issubclass(found, CanSample)])
def test_sampling_before_fit_refuses(name: str) -> None:
    with pytest.raises(NotFittedError, match="call fit first"):
        MODELS[name]().sample(2)


@pytest.mark.parametrize("name", [name for name, found in CLASSES.items() if not found.card.no_series])
def test_networks_of_windows_work_along_time_alone_and_have_no_bounds(name: str) -> None:
    made = small(name).prepare((2, 1, 32))
    for part in made.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            assert isinstance(part.padding, tuple)
            assert (part.kernel_size[0], part.stride[0], part.padding[0]) == (1, 1, 0)
        assert not isinstance(part, nn.Tanh)
    if isinstance(made, HasPrior):
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.mul_(20)
            assert float(made.sample(4).abs().max()) > 10


@pytest.mark.parametrize("name", [name for name, found in MODELS.items() if found.card.no_series])
def test_series_are_refused_with_the_reason(name: str) -> None:
    model = small(name)
    with pytest.raises(DataError, match=f"^{type(model).__name__} does not work on series: {model.card.no_series}$"):
        model.prepare((2, 1, 32))


@pytest.mark.parametrize("name", [name for name, found in MODELS.items() if "vectors" not in found.card.inputs])
def test_vectors_are_refused_where_the_method_has_none(name: str) -> None:
    with pytest.raises(DataError, match=f"{MODELS[name].__name__} works on images, not on vectors"):
        small(name).prepare((6,))
