"""A generative model as one estimator: data in, samples, reconstructions, translations and likelihoods out."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
import torch
from annotated_types import Ge
from jaxtyping import Float, Shaped, UInt8
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from hizumi.arguments import NonNegativeInt, PositiveFloat, PositiveInt, check_arguments, check_value, clone
from hizumi.data import Failure, Manifest, Window
from hizumi.data.guard import checked_codes
from hizumi.data.missing import Filling
from hizumi.data.pairs import Pairing
from hizumi.data.progress import Observer, reporting
from hizumi.data.rasters import PIXEL_LIMIT
from hizumi.data.series.options import SeriesOptions
from hizumi.errors import DataError, RunError, UsageError
from hizumi.generation.examples import open_items
from hizumi.generation.health import check_model
from hizumi.generation.long_samples import long_samples
from hizumi.generation.preview import Preview, previewing
from hizumi.generation.training_data import TrainingData, refuse_series_for, training_data_for
from hizumi.generation.walks import along_axis, around_mean, between
from hizumi.memory import free_bytes, peak_memory
from hizumi.models import CanDecode, CanEncode, CanReconstruct, CanSample, CanTranslate, HasLikelihood
from hizumi.models.abilities import ABILITIES, CanContinue, CanSampleClasses, CanTranslateBack, HasPrior
from hizumi.models.guarded import Seed, check_count
from hizumi.preprocessing import DataOptions, Preprocessing, Reader, in_batches
from hizumi.preprocessing.batching import Outputs
from hizumi.preprocessing.choosing import WindowOption, with_validation
from hizumi.preprocessing.reading import Piece
from hizumi.preprocessing.window_health import check_window
from hizumi.registry import find_models, model_class, specify
from hizumi.runs.parameters import set_nested, with_nested
from hizumi.runs.planning import TrainingCost
from hizumi.runs.record import notes_on, run_record
from hizumi.runs.results import plan_result
from hizumi.training import Trainable, TrainingOptions
from hizumi.training.health import Finding
from hizumi.training.journal import Journal
from hizumi.training.loop import fit, launched, make_fabric
from hizumi.training.preset import Preset, preset_of
from hizumi.training.torch_settings import usual_torch

NOT_FINITE = "NaN or infinite values; look for values far from those of the training data, or train again"
AnyAbility = TypeVar("AnyAbility", bound=Trainable)


@dataclass(frozen=True, eq=False)
class Made:
    """What a model made of a record: pixels (h, w, c) of the data's type, numbers (d,), or steps (t, c) in units."""

    index: int
    name: str
    data: np.ndarray


class Modeller(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Learns how data are distributed; then makes more of them, rebuilds or translates them, or weighs them.

    What it can do depends on the model (`hizumi list`): asking for something else raises a UsageError that names the
    models that can. Images come back in the type and range of the training images, rows of numbers and steps of series
    in their units.

    Args:
        model: A name (`hizumi list` shows them) or an unfitted model, which is copied. Its number of classes, and of
            channels that images turn into, follow the data.
        image_size: Working size in pixels, one side or (height, width). None: the image's own, shrunk to as
            many pixels as 64x64 has.
        sizing: "resize" keeps the aspect and pads; "tile" learns from crops of the image's own pixels.
        window: Pixel values (low, high) that become -1 and 1, or a list of such for the channels. None: all of an
            integer type's range, or the range of the training data where pixels are floats; of images with 2, 4 or more
            channels, as "auto". "auto": the range that most pixels of the training data use, of such images by channel.
        nodata: The pixel value that stands for no measurement: such pixels take the value of the nearest one.
        fill_nan: Pixels that are NaN take the value of the nearest one, instead of making the image unreadable.
        pixel_limit: Files of more pixels are refused, since a small file can expand to fill the memory.
        series: Tables and arrays (t, c) are recordings, whose rows follow one another in time, and windows of them are
            learned: True, or how they are to be understood.
        pairing: For models that learn from pairs, how plain images make them: "denoise", "super-resolve", "colour",
            "inpaint", or one of `hizumi.data.pairs` with settings; "side-by-side" for images that hold both halves.
        preset: One of the model's ready-made settings, such as "fast": its arguments, where the model is named, and its
            budget and batch size, where `training` leaves them open.
        training: Budget, batch size, seed, precision and devices.
        cache: Folder for decoded images, kept between fits. None: a temporary one.

    After `fit`: `model_`, `preprocessing_`, `classes_` (names, in the order of the model's labels), `findings_` (health
    check), `journal_`, `options_` (what was done, in full), `notes_`, `failures_` and `unopened_` (what was
    said about the data).
    """

    model_: Trainable
    preprocessing_: Preprocessing
    classes_: tuple[str, ...]
    findings_: list[Finding]
    journal_: Journal

    def __init__(
        self,
        model: str | Trainable = "dcgan",
        *,
        image_size: PositiveInt | tuple[PositiveInt, PositiveInt] | None = None,
        sizing: Literal["resize", "tile"] = "resize",
        window: WindowOption = None,
        nodata: float | None = None,
        fill_nan: bool = False,
        pixel_limit: PositiveInt = PIXEL_LIMIT,
        series: SeriesOptions | bool = False,
        pairing: str | Pairing | None = None,
        preset: str | None = None,
        training: TrainingOptions | None = None,
        cache: str | Path | None = None,
    ) -> None:
        self.model = model
        self.image_size = image_size
        self.sizing = sizing
        self.window = window
        self.nodata = nodata
        self.fill_nan = fill_nan
        self.pixel_limit = pixel_limit
        self.series = series
        self.pairing = pairing
        self.preset = preset
        self.training = training
        self.cache = cache

    @usual_torch()
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        run_folder: str | Path | None = None,
        observe: Observer | None = None,
        preview: Preview | None = None,
        strict: bool = False,
    ) -> Self:
        """Fit on all items that are neither labelled anomalous nor marked as test.

        Args:
            X: A folder, file or list of files, the name of a built-in set, an array, a tensor, a Dataset, a Manifest.
            y: Classes (n,) for a model that needs labels, where the data do not name them; or, for a model that turns
                images into others, those others, which files of the same names pair with X. A folder X with A and B in
                it needs no y.
            run_folder: Where checkpoints and the journal go, so that a killed run resumes from them.
            observe: Called with the record of every step.
            preview: Called every few hundred steps with the step and pictures of what the model makes so far; of
                series, with windows of the data and of the model.
            strict: Stop at the first image that cannot be read, instead of passing it over.
        """
        started = time.monotonic()
        self.check()
        options = self._training_options()
        fabric = launched(options)
        # Every process trains, the first one reports.
        observe, preview = (observe, preview) if fabric.is_global_zero else (None, None)
        data_options = self._data_options(strict=strict, observe=observe)
        model, data = training_data_for(self._new_model(), X, y, data_options, self.pairing, self.series)
        training, validation = with_validation(data.batches, options)
        if preview is not None and not data.preprocessing.vectors:
            observe = previewing(model, data.items, data.preprocessing, observe, preview)
        self.journal_ = fit(
            [model],
            training,
            options,
            validation=validation,
            run_folder=run_folder,
            observe=observe,
            fabric=fabric,
        )
        self.model_ = model.cpu().eval()
        self.preprocessing_ = data.preprocessing
        self.classes_ = data.classes
        self.failures_ = data.store.failures
        self.unopened_ = data.store.manifest.unopened
        self.notes_ = notes_on(data.store.manifest, data.store)
        self.findings_ = check_window(data.store) + check_model(model, data.items, self.journal_, validation)
        fit_seconds = round(time.monotonic() - started, 2)
        self.options_ = self._record(model, data, options) | {"fit_seconds": fit_seconds}
        self.is_main_process_ = fabric.is_global_zero
        return self

    def plan(self, X: Any, y: Any = None, *, strict: bool = False) -> dict[str, Any]:
        """What `fit` would do: resolved options, with time and memory estimated from a few steps on the real data.

        Says what reading the data has shown, too: `findings` on pixel values, `notes`, `failures` and `unopened`.

        Changes nothing: a fitted modeller stays as it is.
        """
        self.check()
        options = self._training_options()
        data_options = replace(self._data_options(strict=strict), cache=None)
        started = time.monotonic()
        make_fabric(options)  # what it imports takes a second, of a fit, too
        model, data = training_data_for(self._new_model(), X, y, data_options, self.pairing, self.series)
        reading_seconds = time.monotonic() - started
        record, findings = self._record(model, data, options), check_window(data.store)
        cost = TrainingCost.measured([model], data.batches, options)
        seconds, steps = cost.seconds_and_steps(len(data.batches))
        free = free_bytes()
        cost_of_all = {
            "seconds": round(reading_seconds + seconds, 1),
            "steps": steps,
            "memory_bytes": max(peak_memory(), cost.peak_bytes) + data.store.mapped_bytes,
            "free_bytes": int(free) if np.isfinite(free) else None,
        }
        return plan_result(
            record,
            cost_of_all,
            findings,
            notes_on(data.store.manifest, data.store),
            [(failure.name, failure.reason) for failure in data.store.failures],
            [(each.name, each.reason) for each in data.store.manifest.unopened],
        )

    @usual_torch()
    def sample(self, count: int = 1, seed: int = 0, kinds: str | int | Iterable[str | int] | None = None) -> np.ndarray:
        """New items, images (count, h, w, c), rows (count, d) or windows (count, t, c), the same for the same seed.

        A model that knows classes makes items of all in turn, or of `kinds`: one for all, or one for each, by the names
        or numbers that the training data had for them.
        """
        model = self.able(CanSample)
        check_count(model, count, f"{self._name()}.sample")  # before kinds are counted
        if kinds is None:
            return self._as_data(model.sample(count, seed))
        labels = self._labels(kinds, count)
        return self._as_data(self.able(CanSampleClasses).sample(count, seed, labels=labels))

    def sample_recordings(self, count: int = 1, *, steps: int, seed: int = 0) -> Float[np.ndarray, "count steps c"]:
        """New series of any length: each window continues the last one from its middle on; the first is left out."""
        check_is_fitted(self, "model_")
        if self.preprocessing_.series is None:
            kind = "rows of numbers" if self.preprocessing_.vectors else "images"
            raise UsageError(f"{self._name()} was trained on {kind}, which have no steps; leave steps out")
        check_value(PositiveInt, steps, "steps")
        model = self.able(CanContinue)
        windows = 1 + math.ceil(steps / model.require_built()[-1])
        check_count(model, count, f"{self._name()}.sample_recordings", windows)
        check_value(Seed, seed, f"{self._name()}.sample_recordings: seed")
        return self._as_data(long_samples(model, count, steps, seed))

    def reconstruct(self, X: Any) -> list[np.ndarray]:
        """Each item as the model would have it, at its own size."""
        return [made.data for made in self.reconstruct_each(X, strict=True) if isinstance(made, Made)]

    def translate(self, X: Any, *, backwards: bool = False) -> list[np.ndarray]:
        """What each image turns into, at its own size, or larger where the model resolves detail.

        `backwards`: from the second set to the first, by a model that learned both ways.
        """
        made = self.translate_each(X, backwards=backwards, strict=True)
        return [each.data for each in made if isinstance(each, Made)]

    def reconstruct_each(
        self, X: Any, *, strict: bool = False, observe: Observer | None = None
    ) -> Iterator[Made | Failure]:
        """Reconstructions one by one, for more images than memory holds; what cannot be read is a Failure."""
        reader = self._reader()
        yield from self._made(X, self.able(CanReconstruct).reconstruct, reader, strict, observe)

    def translate_each(
        self, X: Any, *, backwards: bool = False, strict: bool = False, observe: Observer | None = None
    ) -> Iterator[Made | Failure]:
        """Translations one by one, for more images than memory holds; what cannot be read is a Failure."""
        reader = self._reader()
        if backwards:
            if not isinstance(self.model_, CanTranslateBack):
                raise UsageError(f"{type(self.model_).__name__} has learned one direction only; leave backwards out")
            reader = replace(reader, preprocessing=reader.preprocessing.backwards())
            function = self.model_.translate_back
        else:
            function = self.able(CanTranslate).translate
        yield from self._made(X, function, reader, strict, observe, translated=True)

    def log_likelihood(self, X: Any) -> Float[np.ndarray, "n"]:
        """Log-likelihood of each item in nats, or the bound on it that the model offers."""
        rows = self.likelihood_each(X, strict=True)
        return np.array([row["nats"] for row in rows if not isinstance(row, Failure)])

    def likelihood_each(
        self, X: Any, *, strict: bool = False, observe: Observer | None = None
    ) -> Iterator[dict[str, Any] | Failure]:
        """Name, nats, bits for each dimension, and the terms it is made of, one by one.

        Of rows it is the density in their own units; of images, at the working size, and of windows of standardised
        series, what the model defines: of a block the mean over the windows that cover it.
        """
        model, preprocessing = self.able(HasLikelihood), self.preprocessing_
        self._refuse_tiles("likelihood")
        rows = preprocessing.vectors and preprocessing.scaler is not None
        log_volume = preprocessing.scaler.log_volume if rows and preprocessing.scaler else 0.0

        def measured(items: Tensor) -> dict[str, Tensor]:
            likelihood = model.log_likelihood(items)
            terms = {f"term_{name}": values for name, values in likelihood.terms.items()}
            if preprocessing.vectors:  # the density of standardised rows in the units of the data
                terms["term_units"] = torch.full_like(likelihood.image, -log_volume)
            return {"nats": likelihood.image - log_volume, **terms}

        bits = math.prod(self.model_.require_built()) * math.log(2)
        for item in self._applied(X, measured, self._reader(), strict, observe):
            if isinstance(item, Failure):
                yield item
                continue
            piece, outputs = item
            nats, *terms = (float(values.mean()) for values in outputs.values())
            named = dict(zip([*outputs][1:], terms, strict=True))
            yield {"name": piece.name, "nats": nats, "bits_per_dimension": -nats / bits, **named}

    def encode(self, X: Any) -> Shaped[np.ndarray, "n ..."]:
        """Codes of all items; of series, of all windows that cover their blocks."""
        encode = self.able(CanEncode).encode
        self._refuse_tiles("code")
        encoded = self._applied(X, lambda items: {"code": encode(items)}, self._reader(), strict=True)
        return np.concatenate([item[1]["code"] for item in encoded if not isinstance(item, Failure)])

    def decode(self, codes: Shaped[np.ndarray, "n ..."]) -> np.ndarray:
        """Items of codes, images (n, h, w, c), rows (n, d) or windows (n, t, c)."""
        with torch.no_grad():
            decode = self.able(CanDecode).decode
            return self._as_data(decode(checked_codes(codes, f"{self._name()}.decode")))

    @usual_torch()
    def draw_codes(self, count: int, seed: int = 0) -> Float[np.ndarray, "n k"]:
        """Codes drawn from N(0, I), which `sample` makes its items of."""
        check_count(self.able(CanDecode), count, f"{self._name()}.draw_codes")
        if not isinstance(self.model_, HasPrior):
            name = type(self.model_).__name__
            raise UsageError(f"{name} draws no codes from N(0, I); give it items to encode")
        check_value(Seed, seed, f"{self._name()}.draw_codes: seed")
        latent = self.model_.latent
        return torch.randn(int(count), latent, generator=torch.Generator().manual_seed(int(seed))).numpy()

    def walk(
        self,
        X: Any = None,
        *,
        axis: int | None = None,
        rows: int = 6,
        steps: int = 9,
        reach: float = 3.0,
        seed: int = 0,
    ) -> Shaped[np.ndarray, "rows steps ..."]:
        """Items along ways through the codes, each row one way.

        With an `axis` of the code, its value runs over `reach` standard deviations to both sides of its mean, and the
        others stay. Without one, each row goes from one code to another. Codes are those of the first items of X; where
        no X is given they are drawn from N(0, I).
        """
        for value, range_, called in (
            (axis, NonNegativeInt | None, "axis"),
            (rows, PositiveInt, "rows"),
            (steps, Annotated[int, Ge(2)], "steps"),
            (reach, PositiveFloat, "reach"),
        ):
            check_value(range_, value, called)
        count = rows if axis is not None else 2 * rows
        codes = self.draw_codes(count, seed) if X is None else self.encode(X)
        if len(codes) < count:
            raise DataError(f"{len(codes)} items are too few for this walk; it starts from {count}")
        if axis is None:
            ways = between(codes[:rows], codes[rows:count], steps, on_sphere=X is None)
        else:
            ways = along_axis(codes[:rows], axis, around_mean(codes, axis, reach, steps, drawn=X is None))
        items = self.decode(ways.reshape(-1, *ways.shape[2:]))
        return items.reshape(rows, steps, *items.shape[1:])

    def pictures(
        self, images: Sequence[np.ndarray] | np.ndarray, *, translated: bool = False
    ) -> list[UInt8[np.ndarray, "h w 3"]]:
        """Images of the data's type, or of the type that they turn into, as people see them."""
        check_is_fitted(self, "model_")
        preprocessing = self.preprocessing_
        window = preprocessing.target.window if translated and preprocessing.target else preprocessing.window
        if window is None:
            kind = "rows of numbers" if preprocessing.vectors else "series"
            raise UsageError(f"{kind} have no pictures; write them as a table")
        return [Window.to_display(window.to_unit(image.transpose(2, 0, 1))[np.newaxis])[0] for image in images]

    def able(self, ability: type[AnyAbility]) -> AnyAbility:
        """The fitted model, where it has this ability; otherwise an error that says which models have."""
        check_is_fitted(self, "model_")
        if isinstance(self.model_, ability):
            return self.model_
        others = ", ".join(name for name, found in find_models().items() if issubclass(found, ability))
        raise UsageError(f"{type(self.model_).__name__} cannot {ABILITIES[ability]}; models that can: {others}")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """As scikit-learn does; deep ones have names such as `training__seed` or `model__latent`, too."""
        own: dict[str, Any] = super().get_params(deep=False)
        return with_nested(own, ("training", "model")) if deep else own

    def set_params(self, **parameters: Any) -> Self:
        """As scikit-learn does; names such as `training__seed` or `model__latent` reach into the parts."""
        parts = {"training": self._training, "model": self._new_model}
        set_nested(self, super().set_params, parameters, parts)
        return self

    def check(self) -> None:
        """Raise UsageError where an argument, its own or the model's, is wrong; `fit` does so before it reads."""
        check_arguments(self)
        self._preset()  # refuses one that there is not
        model = self._new_model()
        specify(model)  # refuses one that no record could name
        if self.series:
            refuse_series_for(model)

    def _new_model(self) -> Trainable:
        if isinstance(self.model, Trainable):
            return clone(self.model)
        preset = self._preset()
        model: Trainable = model_class(self.model)() if preset is None else preset.make()
        return model

    def _preset(self) -> Preset | None:
        if self.preset is None:
            return None
        return preset_of(model_class(self.model) if isinstance(self.model, str) else type(self.model), self.preset)

    def _training(self) -> TrainingOptions:
        return self.training or TrainingOptions()

    def _training_options(self) -> TrainingOptions:
        options, preset = self._training(), self._preset()
        return options if preset is None else preset.completing(options)

    def _data_options(self, *, strict: bool, observe: Observer | None = None) -> DataOptions:
        return DataOptions(
            image_size=self.image_size,
            sizing=self.sizing,
            window=self.window,
            filling=filling if (filling := Filling(self.nodata, self.fill_nan)).fills else None,
            pixel_limit=self.pixel_limit,
            cache=None if self.cache is None else Path(self.cache),
            strict=strict,
            on_progress=reporting(observe, "reading"),
        )

    def _record(self, model: Trainable, data: TrainingData, options: TrainingOptions) -> dict[str, Any]:
        pairing = self.pairing if isinstance(self.pairing, str) or self.pairing is None else repr(self.pairing)
        manifest = data.store.manifest
        record = run_record("model", model, [model], manifest, data.store, data.preprocessing, options)
        return record | {"classes": list(data.classes), "pairing": pairing, "columns": list(manifest.columns)}

    def _labels(self, kinds: str | int | Iterable[str | int], count: int) -> Tensor:
        if not self.classes_:
            raise UsageError(f"{type(self.model_).__name__} knows no classes; leave kinds out")
        if isinstance(kinds, str) or not isinstance(kinds, Iterable):
            kinds = [kinds] * count
        names = [str(kind) for kind in kinds]
        if len(names) != count:
            raise UsageError(f"{len(names)} kinds were given for {count} samples; give one, or one for each")
        for name in names:
            if name not in self.classes_:
                raise UsageError(f"there is no class {name!r}; there are {', '.join(self.classes_)}")
        return torch.tensor([self.classes_.index(name) for name in names])

    def _as_data(self, items: Tensor) -> np.ndarray:
        made = items.detach().float().cpu().numpy()
        if broken := int((~np.isfinite(made)).reshape(len(made), -1).any(1).sum()):
            raise RunError(f"{self._name()}: {broken} of {len(made)} items that it made hold {NOT_FINITE}")
        data = self.preprocessing_.to_data(made)
        return data if self.preprocessing_.series is None else data[:, 0]

    def _name(self) -> str:
        return type(self.model_).__name__

    def _refuse_tiles(self, what: str) -> None:
        if self.preprocessing_.tiled:
            raise UsageError(f"the tiles of an image overlap, so that it has no {what}; fit the model without tiles")

    def _reader(self) -> Reader:
        return Reader(self.preprocessing_, self.model_.shape, "model")

    def _made(
        self,
        X: Any,
        function: Callable[[Tensor], Tensor],
        reader: Reader,
        strict: bool,
        observe: Observer | None,
        *,
        translated: bool = False,
    ) -> Iterator[Made | Failure]:
        for item in self._applied(X, lambda items: {"made": function(items).float()}, reader, strict, observe):
            if isinstance(item, Failure):
                yield item
                continue
            piece, items = item[0], item[1]["made"]
            if piece.size is not None:
                items = reader.restored(piece, items)[np.newaxis]
            data = reader.preprocessing.to_data(items, translated=translated)[0]
            yield Made(piece.index, piece.name, data if reader.preprocessing.series is None else data[0])

    def _applied(
        self,
        X: Any,
        function: Callable[[Tensor], Mapping[str, Tensor]],
        reader: Reader,
        strict: bool,
        observe: Observer | None = None,
    ) -> Iterator[tuple[Piece, Outputs] | Failure]:
        """Each record with the arrays that a function of the model makes of its crops."""

        @torch.no_grad()
        def applied(crops: np.ndarray) -> Outputs:
            items = torch.from_numpy(reader.preprocessing.to_model(crops))
            return {name: values.numpy() for name, values in function(items).items()}

        manifest: Manifest = open_items(X, **reader.preprocessing.as_learned)
        pieces = reader.pieces(manifest, strict=strict)
        done = in_batches(applied, pieces, total=len(manifest), on_progress=reporting(observe, "working"))
        for item in done:
            yield item if isinstance(item, Failure) else self._finite(*item, strict)

    def _finite(self, piece: Piece, outputs: Outputs, strict: bool) -> tuple[Piece, Outputs] | Failure:
        if all(np.isfinite(values).all() for values in outputs.values()):
            return piece, outputs
        error = DataError(f"{piece.name}: what {self._name()} makes of it holds {NOT_FINITE}")
        if strict:
            raise error
        return Failure.of(piece.index, piece.name, error)
