"""Deep one-class features (DOC): compact on normal images, and still able to tell other things apart."""

from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hizumi import data, objectives
from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Searched
from hizumi.data.stream import Batches, Stream, View, as_source
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.errors import DataError
from hizumi.networks.dcgan import Pyramid, down, widths
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

CARD = Card(
    family="one class",
    idea="features that keep normal images together and still tell other things apart; the distance to normal ones",
    paper="Perera & Patel, Learning deep features for one-class classification, IEEE TIP 2019",
    inputs=("images",),
    localises=True,
    needs=("reference set",),
    no_series="its reference set is of pictures",
)


class DeepOneClassTraining(Trainable):
    """Features, and a classifier of the reference set on them.

    Args:
        reference: A built-in set or the user's own, a folder of images for each class, or an .npz file with labels.
            It is read when training begins, and brought to the size and channels of the normal images.
        compactness_weight: λ.
        features: Numbers in g(x).
        classes: Outputs of the classifier: as many as the reference set has classes, or more.
        width: Channels of the first convolution.
        learning_rate: Of Adam.
    """

    card = CARD
    default_budget = Budget(steps=3000)
    default_batch_size = 32

    def __init__(
        self,
        reference: str = "photographs",
        compactness_weight: Annotated[NonNegativeFloat, Searched(0.01, 10, log=True)] = 0.1,
        features: PositiveInt = 128,
        classes: PositiveInt = 20,
        width: Annotated[PositiveInt, Searched(8, 64, log=True)] = 32,
        learning_rate: Annotated[PositiveFloat, Searched(1e-4, 1e-2, log=True)] = 1e-3,
    ) -> None:
        super().__init__()
        self.reference = reference
        self.compactness_weight = compactness_weight
        self.features = features
        self.classes = classes
        self.width = width
        self.learning_rate = learning_rate
        self._references: Stream | None = None

    def build(self, shape: tuple[int, ...]) -> None:
        """Make the network; without batch norm, whose statistics would make features compact by themselves."""
        self._references = None  # read in the first step: a detector that is loaded does without
        channels, height, width = shape
        self.pyramid = Pyramid.of(height, width)
        base = widths(self.width, self.pyramid.stages)[-1] * self.pyramid.base_height * self.pyramid.base_width
        self.body = nn.Sequential(
            down(self.pyramid, channels, self.width, batch_norm=False),
            nn.Flatten(),
            nn.Linear(base, self.features),
            nn.ReLU(),
        )
        self.head = nn.Linear(self.features, self.classes)
        self.optimise("network", self.parameters(), learning_rate=self.learning_rate)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """Tell the classes of a reference batch apart, and keep the outputs for the normal batch together."""
        if self._references is None:
            self._references = self._open_references(len(batch))
        images, labels = self._references.batch(self.clock.batches_done)
        outputs = self.head(self.encode(torch.cat([images.to(batch.device), batch])))
        descriptiveness = cross_entropy(outputs[: len(images)], labels.to(batch.device))
        compactness = objectives.compactness(outputs[len(images) :])
        self.update("network", descriptiveness + self.compactness_weight * compactness)
        return {"descriptiveness": descriptiveness.detach(), "compactness": compactness.detach()}

    def encode(self, images: Tensor) -> Tensor:
        return self.body(self.pyramid.pad(images))

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_references": None}  # a copy reads them again where it trains on

    def _open_references(self, batch_size: int) -> Stream:
        """Images and labels, in batches that depend on the step alone."""
        channels, height, width = self.require_built()
        store = data.Store.build(data.open_source(self.reference, normal_class="all"), data.Sizing(height, width))
        if len(store.shape) == 1:
            raise DataError(f"reference {self.reference} holds numbers; it must hold images")
        kinds = [store.manifest.records[index].kind for index in store.kept]
        names = sorted(set(kinds))
        if not 2 <= len(names) <= self.classes:
            raise DataError(
                f"reference {self.reference} holds {len(names)} classes; give a folder of images for each of two or "
                f"more, and set classes, which is {self.classes}, to their number"
            )

        def matched(images: Tensor) -> Tensor:
            return images if images.shape[1] == channels else images.mean(1, keepdim=True).expand(-1, channels, -1, -1)

        labels = torch.tensor([names.index(kind) for kind in kinds])
        world_size, rank = (1, 0) if self.fabric is None else (self.fabric.world_size, self.fabric.global_rank)
        return Stream(as_source((View(store, function=matched), labels)), batch_size, 0, world_size, rank)


class DeepOneClass(Detector):
    """A(x) = min |g(x) - g(t)| over templates t, normal images drawn at random; the map is |dA/dx (x - t)|, smoothed.

    The map is what each pixel's difference from the nearest template adds to the score, to first order.
    Trained on cross-entropy of a labelled reference set (descriptiveness) + λ compactness of normal images, the
    variance of the classifier's outputs about the mean of the others in the batch.

    Differences from the paper: a network of its own, trained from scratch with Adam, in place of ImageNet's AlexNet or
    VGG fine-tuned with a rate of 5e-5; compactness by its formula, where the released layer ignores λ and is some 150
    times stronger; the map is not the paper's.

    Args:
        model: The network and how it is trained.
        templates: How many normal images to compare with.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the map.
    """

    card = CARD
    presets = {
        "fast": Preset(lambda: DeepOneClass(DeepOneClassTraining(width=16)), TrainingOptions(budget=Budget(steps=800))),
        "small": Preset(lambda: DeepOneClass(DeepOneClassTraining(compactness_weight=1.0, features=64, width=8))),
    }
    template_images: Tensor
    template_features: Tensor

    def __init__(
        self,
        model: DeepOneClassTraining | None = None,
        templates: Annotated[PositiveInt, Searched(10, 100, log=True)] = 40,
        smoothing: Annotated[NonNegativeFloat, Searched(0, 8)] = 4.0,
    ) -> None:
        super().__init__()
        self.model = DeepOneClassTraining() if model is None else model
        self.templates = templates
        self.smoothing = smoothing
        self.register_buffer("template_images", None)
        self.register_buffer("template_features", None)

    def build(self, shape: tuple[int, ...]) -> None:
        """Switch to double precision: compact features differ by little, and single rounds them batch by batch."""
        self.model.double()

    def fit_statistics(self, batches: Batches) -> None:
        generator = torch.Generator().manual_seed(0)
        chosen = torch.randperm(len(batches), generator=generator)[: self.templates]
        self.template_images = batches.batch(chosen, generator)
        self.template_features = self.model.encode(self.template_images.double())

    def score_batch(self, images: Tensor) -> Anomaly:
        with torch.enable_grad():
            # Padded here: the padding's slopes would otherwise all fall on the rim of the image.
            inputs = self.model.pyramid.pad(images.double()).requires_grad_()
            differences = self.model.encode(inputs)[:, None] - self.template_features
            distances, nearest = differences.norm(dim=2).min(1)
            (slopes,) = torch.autograd.grad(distances.sum(), inputs)
        normal = self.template_images[nearest]
        shares = (slopes[:, :, : images.shape[2], : images.shape[3]] * (images - normal)).abs().mean(1, keepdim=True)
        return Anomaly(distances.detach(), objectives.smooth(shares, self.smoothing).to(images.dtype), normal=normal)

    def embedding(self, images: Tensor) -> Tensor:
        return self.model.encode(images.double())
