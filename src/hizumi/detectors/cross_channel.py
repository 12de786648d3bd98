"""Cross channel: discriminators that have learned which appearance goes with which motion."""

import copy
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from hizumi.arguments import NonNegativeFloat, ProperShare
from hizumi.data.motion import FLOW_CHANNELS
from hizumi.data.stream import Batches
from hizumi.detectors.detector import Anomaly, Detector
from hizumi.detectors.reach import within_reach
from hizumi.detectors.shard import Shard
from hizumi.errors import DataError
from hizumi.models.pix2pix import Pix2Pix
from hizumi.objectives import smooth
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

SCORES = ("discriminators", "generators", "both")
FLOW_WEIGHT = 2.0  # of the generators' error in the flow, beside 1 for the frame's

CARD = Card(
    family="video",
    idea="appearance and motion that do not go together look wrong to discriminators of such pairs",
    paper="Ravanbakhsh, Sangineto, Nabi & Sebe, Training adversarial discriminators for cross-channel abnormal event "
    "detection in crowds, WACV 2019",
    inputs=("images",),
    localises=True,
    needs=("motion",),
    no_series="it looks at frames of video with their motion",
)


class CrossTranslation(Trainable):
    """pix2pix between the channels of one item: from frame to flow or, backwards, from flow to frame."""

    card = CARD
    default_budget = Pix2Pix.default_budget
    default_batch_size = Pix2Pix.default_batch_size

    def __init__(self, template: Pix2Pix, backwards: bool) -> None:
        super().__init__()
        self.backwards = backwards
        self._template = (template,)  # in a tuple, so that the untrained template is not a part of this module

    @property
    def template(self) -> Pix2Pix:
        """What is trained, as it was given."""
        return self._template[0]

    def build(self, shape: tuple[int, ...]) -> None:
        channels, height, width = shape
        inputs, targets = self.parts(torch.empty(1, *shape))
        if not (inputs.shape[1] and targets.shape[1]):
            raise DataError(
                f"items have {channels} channels, but each must be a frame followed by the {FLOW_CHANNELS} channels of "
                "its optical flow; give frames of video with their motion"
            )
        self.translator = copy.deepcopy(self.template)
        self.translator.target_channels = targets.shape[1]
        self.wrap(self.translator, (inputs.shape[1], height, width))

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        """A step of pix2pix on pairs of the two parts."""
        return self.translator.step(self.parts(batch))

    def validation_loss(self, batch: Tensor) -> Tensor:
        return self.translator.validation_loss(self.parts(batch))

    def parts(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """What is translated, and what it should become."""
        frame, flow = items.tensor_split([max(0, items.shape[1] - FLOW_CHANNELS)], 1)
        return (flow, frame) if self.backwards else (frame, flow)

    def logits(self, items: Tensor) -> Tensor:
        """The discriminator's logit of each patch, (n, 1, p, q), positive where the two parts go together."""
        logits: Tensor = self.translator.discriminator(torch.cat(self.parts(items), 1))
        return logits


class CrossChannel(Detector):
    """M = 1 - S / max S, S = sigma(D1(F, O)) + sigma(D2(O, F)) for a frame F with its optical flow O; A(x) = max M.

    D1 comes from a pix2pix G1 that makes flow of frames, D2 from a G2 that makes frames of flow, both trained on normal
    video. Maps are smoothed, and count only where something moves. Instead of by the maximum over the video that is
    judged, they are normalised by normal items that nothing was trained on. "generators" is the score of the authors'
    sister paper (ICIP 2017): |F - G2(O)| + 2 |O - G1(F)|, both normalised; "both" is the sum. There, features of the
    frames are compared, and flow in all channels: here frames themselves, and the length of the flow, since a single
    frame does not tell which way people go. Flow is Lucas-Kanade's, not Brox's. Numbers beyond ±10 are clipped, and
    what was clipped is added to the score.

    After a short training, "discriminators" ranked what is faster than normal as most normal (UCSD Ped2), perhaps since
    translations are then smoother and slower than what they imitate: the preset uses "generators". With "deviation",
    not in the paper, any unusual answer counts: |D - mean| / deviation of both logits, and of the errors too.

    Args:
        translator: The pix2pix of both directions.
        image_score: Which map is the item's score; all are terms.
        normalisation: "maximum" is the paper's; "deviation" counts standard deviations from the mean, either way.
        smoothing: Standard deviation, in pixels, of the Gaussian blur of the maps.
        moving: Length of the flow, smoothed, from which a place counts as moving; 0 for all places.
        reference_share: Of the normal data, what is held out to normalise by.
    """

    card = CARD
    working_size = 128
    presets = {
        "fast": Preset(
            lambda: CrossChannel(Pix2Pix(width=16, learning_rate=5e-4), image_score="generators"),
            TrainingOptions(budget=Budget(steps=800), batch_size=8),
        ),
        "small": Preset(lambda: CrossChannel(Pix2Pix(width=8), image_score="generators")),
    }
    low: Tensor
    scale: Tensor

    def __init__(
        self,
        translator: Pix2Pix | None = None,
        image_score: Literal["discriminators", "generators", "both"] = "discriminators",
        normalisation: Literal["maximum", "deviation"] = "maximum",
        smoothing: NonNegativeFloat = 4.0,
        moving: NonNegativeFloat = 0.1,
        reference_share: ProperShare = 0.2,
    ) -> None:
        super().__init__()
        self.translator = Pix2Pix() if translator is None else translator
        self.image_score = image_score
        self.normalisation = normalisation
        self.smoothing = smoothing
        self.moving = moving
        self.reference_share = reference_share
        self.to_flow = CrossTranslation(self.translator, backwards=False)
        self.to_frame = CrossTranslation(self.translator, backwards=True)
        self.register_buffer("low", None)
        self.register_buffer("scale", None)

    def phases(self) -> tuple[CrossTranslation, CrossTranslation]:
        return self.to_flow, self.to_frame

    def fit_reference(self, batches: Batches) -> None:
        raw = Shard.of(batches).of_all(lambda batch: self._raw(batch, self._translated(batch)))
        match self.normalisation:
            case "maximum":
                likeness, errors = -raw[:, :1].amin((0, 2, 3)), raw[:, 1:].amax((0, 2, 3))
                low, scale = torch.cat([-likeness, torch.zeros_like(errors)]), torch.cat([likeness, errors])
            case "deviation":
                low, scale = raw.mean((0, 2, 3)), raw.std((0, 2, 3), correction=0)
        self.low, self.scale = low[:, None, None], scale[:, None, None].clamp(min=1e-6)

    def score_batch(self, images: Tensor) -> Anomaly:
        items, excess = within_reach(images)
        translated = self._translated(items)
        normalised = (self._raw(items, translated) - self.low) / self.scale
        if self.normalisation == "deviation":
            normalised = normalised.abs()
        answers, of_frame, of_flow = (normalised * self._moves(items)).tensor_split([-2, -1], 1)
        discriminators = answers.sum(1, keepdim=True)
        generators = of_frame + FLOW_WEIGHT * of_flow
        maps = dict(zip(SCORES, (discriminators, generators, discriminators + generators), strict=True))
        terms = {name: pixel.flatten(1).amax(1) for name, pixel in maps.items()}
        return Anomaly(terms[self.image_score] + excess, maps[self.image_score], terms, reconstruction=translated)

    def embedding(self, images: Tensor) -> Tensor:
        return torch.cat([phase.logits(images).flatten(1) for phase in self.phases()], 1)

    def _translated(self, images: Tensor) -> Tensor:
        """The frame that goes with the flow, and the flow that goes with the frame, (n, c, h, w)."""
        backwards_first = (self.to_frame, self.to_flow)  # in the order of an item's channels
        return torch.cat([phase.translator.translate(phase.parts(images)[0]) for phase in backwards_first], 1)

    def _raw(self, images: Tensor, translated: Tensor) -> Tensor:
        """Smoothed maps: -S, or both logits where deviations count; then the errors of frame and length of flow."""
        answers = torch.cat([phase.logits(images) for phase in self.phases()], 1)
        answers = interpolate(answers, images.shape[2:], mode="bilinear", align_corners=False)
        if self.normalisation == "maximum":
            answers = -answers.sigmoid().sum(1, keepdim=True)
        error = (images - translated).abs()
        of_frame, of_flow = error[:, :-FLOW_CHANNELS].mean(1, keepdim=True), error[:, -1:]
        return smooth(torch.cat([answers, of_frame, of_flow], 1), self.smoothing)

    def _moves(self, images: Tensor) -> Tensor:
        flow = self.to_flow.parts(images)[1]
        return smooth(flow[:, :2].norm(dim=1, keepdim=True), self.smoothing) >= self.moving
