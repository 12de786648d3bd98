"""AnoGAN: search a GAN's latent space for the item nearest to this one; what cannot be made there is anomalous."""

from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from hizumi.arguments import NonNegativeFloat, PositiveFloat, PositiveInt, Searched, Share
from hizumi.detectors.detector import Anomaly, Detector, residual_map
from hizumi.detectors.frozen_gan import features_of, small_gan
from hizumi.detectors.latent_search import search_codes
from hizumi.errors import UsageError
from hizumi.models.abilities import CanEncode, HasOpponent
from hizumi.models.dcgan import DCGAN
from hizumi.training import Budget, Card, Preset, TrainingOptions

MAPPING_UNITS = 10
DROPS_AT, DROPS_TO = 0.6, 0.3  # share of the steps after which the learning rate falls, and to what share of it
START_SEED, UNIT_SEED = 0, 1


class Query(NamedTuple):
    """Items to search for, with their features and codes by the GAN."""

    items: Tensor  # (n, *shape)
    features: Tensor  # (n, k)
    codes: Tensor | None  # (n, latent), where the GAN has an encoder

    def rows(self, index: Tensor) -> "Query":
        """The query for some of the items."""
        codes = None if self.codes is None else self.codes[index]
        return Query(self.items[index], self.features[index], codes)


class AnoGAN(Detector):
    """A(x) = (1 - λ) R(z) + λ D(z) at the best z found, R = Σ|x - G(z)|, D = Σ|f(x) - f(G(z))|; the map is |x - G(z)|.

    Only z moves. All items of a batch are searched for at once, each as if alone: from the same starts, with Adam's
    moments of its own, and keeping the best z of all steps. f is the discriminator's last hidden map.

    Differences from the paper: the best z instead of the last; codes from N(0, I); the learning rate, of which the
    paper says nothing, falls to 0.3 of itself at 60% of the steps. A discriminator of pairs (BiGAN, VEEGAN) sees both
    x and G(z) with E(x). Vectors get fully connected networks.

    The preset "fast" is another method: 60 long steps, which a weight on |z|² holds near the codes' mean, rebuild
    little more than the normal items' main directions, and score much as PCA does.

    Args:
        gan: What to search: a GAN with one discriminator. `DCGAN()` where not given; `BiGAN()` brings an encoder.
        steps: Of the search; the paper's Γ.
        discrimination_weight: λ, of sums over all numbers, so that it is no share.
        discrimination: "features", as above, or "sigmoid": D = -log σ(D(G(z))), the paper's own baseline.
        latent_search: "z", or "mapping_layer": z = W u + b with a fixed random u, and W, b searched for, anew for each
            item. That is the same search with a learning rate 1 + Σu times as high, u being 10 numbers from U(0, 1).
        learning_rate: Of the search's Adam.
        prior_weight: Of |z|², which keeps codes where the generator was trained; not part of the score.
        starts: Searches for each item, from different codes; the best one counts.
        start: The first code: "encoder" for E(x), "random", or "auto" for the encoder where the GAN has one, else
            random. Further starts are random.
        patience: An item leaves its batch when its loss has not fallen by a thousandth for so many steps.
    """

    card = Card(
        family="adversarial",
        idea="what a GAN cannot make from any of its codes is anomalous",
        paper="Schlegl et al., Unsupervised anomaly detection with generative adversarial networks, IPMI 2017",
        localises=True,
        cost="search",
        one_pass=("f_anogan", "egbad"),
    )
    # A few long steps, held back by the prior, reach what is normal and little else.
    presets = {
        "fast": Preset(
            lambda: AnoGAN(
                DCGAN(latent=64, width=32),
                steps=60,
                learning_rate=0.1,
                prior_weight=10.0,
                patience=10,
            ),
            TrainingOptions(budget=Budget(steps=1500), batch_size=64),
            "a short search held near the mean item by the prior, scoring much as PCA does: another method",
        ),
        "small": Preset(lambda: AnoGAN(small_gan(), steps=60, learning_rate=0.1)),
    }
    exemptions = {"graph_gives_the_numbers_of_the_detector": "a graph has no gradients to search by"}
    # A search repeats every step's rounding error a hundred times over, and a batch rounds otherwise than an image.
    tolerance = 1e-4

    def __init__(
        self,
        gan: HasOpponent | None = None,
        steps: PositiveInt = 500,
        discrimination_weight: Share = 0.1,
        discrimination: Literal["features", "sigmoid"] = "features",
        latent_search: Literal["z", "mapping_layer"] = "z",
        learning_rate: Annotated[PositiveFloat, Searched(0.003, 0.3, log=True)] = 0.01,
        prior_weight: Annotated[NonNegativeFloat, Searched(0, 20)] = 0.0,
        starts: PositiveInt = 1,
        start: Literal["auto", "encoder", "random"] = "auto",
        patience: PositiveInt | None = None,
    ) -> None:
        super().__init__()
        self.gan = DCGAN() if gan is None else gan
        self.steps = steps
        self.discrimination_weight = discrimination_weight
        self.discrimination = discrimination
        self.latent_search = latent_search
        self.learning_rate = learning_rate
        self.prior_weight = prior_weight
        self.starts = starts
        self.start = start
        self.patience = patience

    def check(self) -> None:
        name, encodes = type(self.gan).__name__, isinstance(self.gan, CanEncode)
        if self.start == "encoder" and not encodes:
            raise UsageError(f"{name} has no encoder to start from; give BiGAN(), or start='auto'")
        if self.discrimination == "sigmoid" and encodes:
            raise UsageError(
                f"{name} judges pairs of an item and a code, no items alone; use discrimination='features'"
            )

    def build(self, shape: tuple[int, ...]) -> None:
        self.gan.eval().requires_grad_(False)

    def score_batch(self, images: Tensor) -> Anomaly:
        query = self._query(images)
        own = torch.arange(len(images), device=images.device)
        owner = own.repeat_interleave(self.starts)
        points, objectives = search_codes(
            lambda points, rows: self._objective(self._codes(points), query.rows(owner[rows])),
            self._first_points(query),
            self.steps,
            lambda step: self.learning_rate * (1.0 if step < DROPS_AT * self.steps else DROPS_TO),
            self.patience,
        )
        best = points.view(len(own), self.starts, -1)[own, objectives.view(len(own), self.starts).argmin(1)]
        made = self.gan.decode(self._codes(best))
        terms = self._terms(made, query)
        return Anomaly(self._weighted(terms), residual_map(images, made), terms, reconstruction=made)

    def embedding(self, images: Tensor) -> Tensor:
        return self._query(images).features

    def _objective(self, codes: Tensor, query: Query) -> Tensor:
        """L(z) of codes, (n,)."""
        loss = self._weighted(self._terms(self.gan.decode(codes), query))
        return loss + self.prior_weight * codes.square().sum(1)

    def _terms(self, made: Tensor, query: Query) -> dict[str, Tensor]:
        """R and D, each (n,), of what was made for each item."""
        residual = (query.items - made).abs().flatten(1).sum(1)
        match self.discrimination:
            case "features":
                discrimination = (query.features - features_of(self.gan, made, query.codes)).abs().sum(1)
            case "sigmoid":
                discrimination = softplus(-self.gan.opponent(made))
        return {"residual": residual, "discrimination": discrimination}

    def _weighted(self, terms: dict[str, Tensor]) -> Tensor:
        return torch.lerp(terms["residual"], terms["discrimination"], self.discrimination_weight)

    def _query(self, images: Tensor) -> Query:
        codes = self.gan.encode(images) if isinstance(self.gan, CanEncode) else None
        return Query(images, features_of(self.gan, images, codes), codes)

    def _first_points(self, query: Query) -> Tensor:
        """Where the searches start, (n * starts, d), item by item; random starts do not depend on the item."""
        codes = torch.randn(self.starts, self.gan.latent, generator=torch.Generator().manual_seed(START_SEED))
        starts = codes.to(query.items).repeat(len(query.items), 1, 1)
        if query.codes is not None and self.start != "random":
            starts[:, 0] = query.codes
        starts = starts.flatten(0, 1)
        match self.latent_search:
            case "z":
                return starts
            case "mapping_layer":  # W = 0, b = z
                return torch.cat([starts.new_zeros(len(starts), self.gan.latent * MAPPING_UNITS), starts], dim=1)

    def _codes(self, points: Tensor) -> Tensor:
        """The codes z that points of the search stand for."""
        match self.latent_search:
            case "z":
                return points
            case "mapping_layer":
                weights, shifts = points.tensor_split([-self.gan.latent], dim=1)
                return weights.view(len(points), -1, MAPPING_UNITS) @ mapping_input().to(points) + shifts


def mapping_input() -> Tensor:
    """The fixed random input u of the mapping layer, from U(0, 1)."""
    return torch.rand(MAPPING_UNITS, generator=torch.Generator().manual_seed(UNIT_SEED))
