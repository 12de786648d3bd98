"""Losses of maps that say of each pixel what it is."""

from jaxtyping import Float, Int
from torch import Tensor


def focal_loss(
    logits: Float[Tensor, "n k *shape"], kinds: Int[Tensor, "n *shape"], gamma: float = 2.0
) -> Float[Tensor, "n *shape"]:
    """Elementwise -(1 - p)^gamma log p, p = softmax(logits) of the true kind, 0 to k - 1 (Lin et al. 2017).

    What is told well already counts for little, so that the few defective pixels are heard among the many good ones.
    """
    log_p = logits.log_softmax(1).gather(1, kinds[:, None])[:, 0]
    return -(1 - log_p.exp()).pow(gamma) * log_p
