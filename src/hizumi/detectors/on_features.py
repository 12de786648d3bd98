"""On features: a detector that works on maps of a fixed network's features in place of pixels."""

from typing import Literal

from torch import Tensor

from hizumi.arguments import NonNegativeFloat, PositiveInt
from hizumi.data.sizing import Sizing
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.feature_front import FeatureFront
from hizumi.detectors.fixed_features import NO_SERIES, NetworkKind, check_levels, check_odd
from hizumi.detectors.likelihood import Likelihood
from hizumi.detectors.nested import fit_references
from hizumi.detectors.position_scale import REFERENCE_SHARE, PositionScale
from hizumi.detectors.reach import within_reach
from hizumi.detectors.reconstruction import Reconstruction
from hizumi.detectors.shard import Shard
from hizumi.errors import UsageError
from hizumi.models.autoencoder import Autoencoder
from hizumi.models.flow import Flow
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

CARD = Card(
    family="features",
    idea="a generative model, or any detector, of maps of a pre-trained network's features in place of pixels",
    paper="Gudovskiy, Ishizaka & Kozuka, CFLOW-AD, WACV 2022 (a flow); Shi, Yang & Qi, DFR, 2021 (an autoencoder)",
    inputs=("images",),
    localises=True,
    no_series=NO_SERIES,
)


class OnFeaturesTraining(Trainable):
    """Trains a model on what a front makes of images; the first of several that share it also fits the front."""

    card = CARD
    default_budget = Budget(steps=1000)

    def __init__(self, model: Trainable, front: FeatureFront, is_first: bool) -> None:
        super().__init__()
        self.model, self.front, self.is_first = model, front, is_first
        # For the loop this is that model's training.
        self.default_budget = model.default_budget  # type: ignore[misc]  # of the class elsewhere, of the instance here
        self.default_batch_size = model.default_batch_size  # type: ignore[misc]  # likewise

    def build(self, shape: tuple[int, ...]) -> None:
        if self.is_first:
            self.front.build(shape)
        self.wrap(self.model, self.front.shape)
        self.held_out_share = self.model.held_out_share

    def begin(self, batches: Batches) -> None:
        if self.is_first:
            self.front.fit(batches)
            self.front.to(self.device)  # whose moments are the CPU's where the device has no double precision
        self.model.begin(self.front.seen(batches))

    def finish(self, batches: Batches) -> None:
        """The model's own end, on features."""
        self.model.finish(self.front.seen(batches))

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """The model's own step, on features."""
        return self.model.step(self.front(batch))

    def validation_loss(self, batch: Tensor) -> Tensor | None:
        return self.model.validation_loss(self.front(batch))


class OnFeatures(Detector):
    """A(x) = max over places p of z(p), the map of another detector that is given features of x in place of pixels.

    Features are those of the levels on one grid, each channel brought to mean 0 and a third of unit variance over
    normal images, so that nearly all lie in [-1, 1], which networks for images are made for. The map is blurred, and
    z(p) is how unusual its value is for its place, measured against held-out normal images' maps.

    Presets have a flow by position ("fast") and an autoencoder. The flow was level with `GaussianFeatures` on bricks
    and solar cells, a little below it on magnetic tiles, and takes several times as long to fit
    (`benchmarks/detectors/feature_models.py`).

    Differences from the papers: CFLOW-AD has one flow for each level of a ResNet, here one flow sees all levels of
    EfficientNet-Lite0 together; neither standardises the map by place.

    Args:
        detector: The one that is given features; a likelihood of a flow by position where not given. Its own settings
            in pixels, such as `smoothing`, count positions of the grid.
        levels: Of the network: 1 is the stem, 2 to 8 the seven stages, 9 the head.
        network: "efficientnet", pre-trained, "wavelets", fixed filters with levels 1 to 3, or one with weights of
            your own (docs/backbones.md).
        input_size: Images whose shorter side is below it are enlarged to it for the network. None: never.
        neighbourhood: Features are averaged over so many by so many positions of their level.
        image_score: "map" is the largest z(p); "detector" is the score that the other detector itself gives.
        blur: Standard deviation, in positions, of the Gaussian blur of the map.
        weights: A file of weights in place of the installed package's.
        sha256: The hash that file must have.
        colours: Whether three channels are red, green and blue; False where they are not, as of three lights or depths:
            each is then seen as a grey picture of its own.
    """

    card = CARD
    working_size = 224
    tolerance = 1e-4  # a standardised map is a difference, which keeps fewer digits than the map
    presets = {
        "fast": Preset(
            lambda: OnFeatures(Likelihood(Flow("positions", steps=4, width=128), smoothing=0.0)),
            TrainingOptions(budget=Budget(steps=250), batch_size=4),
        ),
        "autoencoder": Preset(
            lambda: OnFeatures(Reconstruction(Autoencoder(code=32, width=64), "l2", smoothing=0.0)),
            TrainingOptions(budget=Budget(steps=300), batch_size=8),
        ),
        "small": Preset(
            lambda: OnFeatures(
                Likelihood(Flow("positions", steps=1, width=8), smoothing=0.0),
                levels=(2, 3),
                network="wavelets",
                input_size=None,
            )
        ),
    }

    def __init__(
        self,
        detector: Detector | None = None,
        levels: tuple[int, ...] = (4, 6),
        network: NetworkKind = "efficientnet",
        input_size: PositiveInt | None = 224,
        neighbourhood: PositiveInt = 3,
        image_score: Literal["map", "detector"] = "map",
        blur: NonNegativeFloat = 1.0,
        weights: str | None = None,
        sha256: str | None = None,
        colours: bool = True,
    ) -> None:
        super().__init__()
        self.detector = Likelihood(Flow("positions"), smoothing=0.0) if detector is None else detector
        self.levels = levels
        self.network = network
        self.input_size = input_size
        self.neighbourhood = neighbourhood
        self.image_score = image_score
        self.blur = blur
        self.weights = weights
        self.sha256 = sha256
        self.colours = colours
        self.reference_share = REFERENCE_SHARE if image_score == "map" else self.detector.reference_share
        self.front = FeatureFront(levels, network, input_size, neighbourhood, weights, sha256, colours)
        self.scale = PositionScale()
        self._trained = tuple(  # its models are registered with the detector
            OnFeaturesTraining(model, self.front, is_first=number == 0)
            for number, model in enumerate(self.detector.phases())
        )

    def check(self) -> None:
        check_levels(self.network, levels=self.levels)
        check_odd(neighbourhood=self.neighbourhood)
        name, card = type(self.detector).__name__, self.detector.card
        if "images" not in card.inputs or card.needs:
            raise UsageError(f"OnFeatures: detector {name} needs {', '.join(card.needs) or 'rows'}, not maps alone")
        if self.image_score == "map" and not card.localises:
            raise UsageError(
                f'OnFeatures: {name} draws no map whose maximum could be taken; set image_score="detector"'
            )

    def working_sizing(self, height: int, width: int) -> Sizing:
        return Sizing.by_shorter_side(height, width, self.working_size)

    def phases(self) -> tuple[Trainable, ...]:
        """The other detector's models, on features."""
        return self._trained

    def shape_within(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if not self._trained:
            self.front.build(shape)
        return self.front.shape

    def fit_statistics(self, batches: Batches) -> None:
        if not self._trained:
            self.front.fit(batches)
        self.detector.fit_statistics(self.front.seen(batches))

    def fit_reference(self, batches: Batches) -> None:
        seen = self.front.seen(batches)
        if self.image_score == "detector":
            self.detector.fit_reference(seen)
            return
        unseen = fit_references([self.detector], seen)
        maps = Shard.of(unseen).of_all(lambda batch: self._map(self.detector.score_batch(batch)))
        self.scale.fit(maps, self.front.features.grid)

    def score_batch(self, images: Tensor) -> Anomaly:
        items, excess = within_reach(images)
        anomaly = self.detector.score_batch(self.front(items))
        if self.image_score == "detector":
            pixel = None if anomaly.pixel is None else self.front.features.as_map(anomaly.pixel.flatten(1), images)
            return Anomaly(anomaly.image + excess, pixel, anomaly.terms)
        values = self._map(anomaly)
        terms = {**anomaly.terms, "detector": anomaly.image}
        score = self.in_view(self.scale(values), self.front.features.grid).amax(1)
        return Anomaly(score + excess, self.front.features.as_map(values, images), terms)

    def embedding(self, images: Tensor) -> Tensor:
        return self.detector.embedding(self.front(images))

    def _map(self, anomaly: Anomaly) -> Tensor:
        assert anomaly.pixel is not None, "its card says that the detector draws maps"
        return self.front.features.blurred(anomaly.pixel.flatten(1), self.blur)
