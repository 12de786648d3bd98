"""f-AnoGAN: a Wasserstein GAN, then an encoder in place of AnoGAN's search."""

from functools import partial
from typing import Literal

from torch import Tensor
from torch.nn.functional import mse_loss

from hizumi import networks
from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt
from hizumi.detectors.detector import Anomaly, Detector, residual_map
from hizumi.detectors.frozen_gan import features_of, small_gan
from hizumi.errors import UsageError
from hizumi.models.abilities import CanEncode, HasOpponent
from hizumi.models.dcgan import DCGAN
from hizumi.models.wgan_gp import WGANGP
from hizumi.training import Budget, Card, Preset, Trainable, TrainingOptions

CARD = Card(
    family="adversarial",
    idea="an encoder learns to find the code of an item in a GAN; what it cannot bring back is anomalous",
    paper="Schlegl et al., f-AnoGAN: fast unsupervised anomaly detection with GANs, Medical Image Analysis 2019",
    localises=True,
)


class FAnoGANEncoding(Trainable):
    """An encoder into the codes of a trained GAN, which stays as it is.

    Args:
        gan: Trained first; a GAN with one discriminator, of items. The paper's residual `WGANGP` where not given.
        width: Channels of the encoder's first convolution.
        residual: Whether the encoder is the paper's residual network, or that of DCGAN.
        loss: What the encoder learns from: "izi_f", "izi", its first term alone, both from normal images, or "ziz",
            the codes of generated images.
        feature_weight: κ.
        bounded_codes: tanh on the codes, which keeps them within one deviation; some items then are out of reach.
        learning_rate: Of the encoder's RMSprop.
    """

    card = CARD
    default_budget = Budget(steps=50_000)

    def __init__(
        self,
        gan: HasOpponent | None = None,
        width: PositiveInt = 64,
        residual: bool = True,
        loss: Literal["izi_f", "izi", "ziz"] = "izi_f",
        feature_weight: NonNegativeFloat = 1.0,
        bounded_codes: bool = True,
        learning_rate: PositiveFloat = 5e-5,
    ) -> None:
        super().__init__()
        # In a tuple: it is a phase of its own, and its weights are not part of this one.
        self._gan = (WGANGP(residual=True) if gan is None else gan,)
        self.width = width
        self.residual = residual
        self.loss = loss
        self.feature_weight = feature_weight
        self.bounded_codes = bounded_codes
        self.learning_rate = learning_rate

    @property
    def gan(self) -> HasOpponent:
        """The GAN, trained by the phase before this one."""
        return self._gan[0]

    def check(self) -> None:
        if isinstance(self.gan, CanEncode):
            raise UsageError(
                f"FAnoGAN trains its own encoder and needs a discriminator of items alone, and "
                f"{type(self.gan).__name__} judges them together with codes; give WGANGP() or DCGAN()"
            )

    def build(self, shape: tuple[int, ...]) -> None:
        self.gan.eval().requires_grad_(False)
        self.encoder = networks.encoder(shape, self.gan.latent, self.width, residual=self.residual)
        self.optimise("encoder", self.encoder.parameters(), kind="rmsprop", learning_rate=self.learning_rate)

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        if self.loss == "ziz":
            codes = self.gan.noise(len(batch))
            return {"code": self.update("encoder", mse_loss(self.encode(self.gan.decode(codes)), codes))}
        residual, feature = (term.mean() for term in self.errors(batch, self.rebuild(batch)))
        losses = {"izi_f": residual + self.feature_weight * feature, "izi": residual}
        self.update("encoder", losses[self.loss])
        return {"residual": residual.detach(), "feature": feature.detach()}

    def validation_loss(self, batch: Tensor) -> Tensor:
        residual, feature = self.errors(batch, self.rebuild(batch))
        return (residual + self.feature_weight * feature).mean()

    def encode(self, items: Tensor) -> Tensor:
        codes = self.encoder(items)
        return codes.tanh() if self.bounded_codes else codes

    def rebuild(self, items: Tensor) -> Tensor:
        """G(E(x))."""
        return self.gan.decode(self.encode(items))

    def errors(self, items: Tensor, rebuilt: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared differences, (n,) each, of items and of the discriminator's features."""
        features = features_of(self.gan, items) - features_of(self.gan, rebuilt)
        return (items - rebuilt).square().flatten(1).mean(1), features.square().mean(1)


plain_encoding = partial(FAnoGANEncoding, residual=False, bounded_codes=False)


class FAnoGAN(Detector):
    """A(x) = mean (x - G(E(x)))² + κ mean (f(x) - f(G(E(x))))², f the critic's last map; the map is |x - G(E(x))|.

    Differences from the paper: the generator is a running average of the trained one, and the GAN's learning rate falls
    in a line to 0, as `WGANGP` has it; RMSprop has PyTorch's constants (smoothing 0.99, ε 1e-8) where the released code
    has TensorFlow's (0.9, 1e-10); images whose
    sides are no multiples of 16 are padded inside; vectors get fully connected networks. The paper's 64-pixel networks
    have a block more than those for 32 pixels.

    Args:
        model: The encoder, with the GAN that is trained before it.
    """

    card = CARD
    # In two minutes a DCGAN learns what a WGAN-GP needs much longer for.
    presets = {
        "fast": Preset(
            lambda: FAnoGAN(
                plain_encoding(DCGAN(latent=64, width=32), width=16, feature_weight=0.1, learning_rate=1e-3)
            ),
            TrainingOptions(budget=(Budget(steps=1100), Budget(steps=700)), batch_size=64),
        ),
        "small": Preset(lambda: FAnoGAN(plain_encoding(small_gan(), width=8, learning_rate=2e-3))),
    }

    def __init__(self, model: FAnoGANEncoding | None = None) -> None:
        super().__init__()
        model = FAnoGANEncoding() if model is None else model
        self.gan = model.gan
        self.model = model

    def score_batch(self, images: Tensor) -> Anomaly:
        """The weighted errors; each as a term, and "latent", the paper's other score: the mean (E(x) - E(G(E(x))))²."""
        codes = self.model.encode(images)
        rebuilt = self.gan.decode(codes)
        residual, feature = self.model.errors(images, rebuilt)
        latent = (codes - self.model.encode(rebuilt)).square().mean(1)
        terms = {"residual": residual, "feature": feature, "latent": latent}
        score = residual + self.model.feature_weight * feature
        return Anomaly(score, residual_map(images, rebuilt), terms, reconstruction=rebuilt)

    def embedding(self, images: Tensor) -> Tensor:
        return features_of(self.gan, images)
