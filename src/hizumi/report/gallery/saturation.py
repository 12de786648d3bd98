"""Why a generator is trained on the non-saturating loss (Goodfellow et al. 2014, section 3)."""

from collections.abc import Callable

import torch
from torch import Tensor

from hizumi import objectives
from hizumi.report.gallery.setting import Setting
from hizumi.report.style import DEFECT, GOOD, MUTED, legend_above, new_figure, png

Loss = Callable[[Tensor], Tensor]
LOSSES: dict[str, tuple[Loss, str]] = {
    "minimax: log(1 - D(G(z)))": (objectives.minimax_loss, DEFECT),
    "non-saturating: -log D(G(z))": (objectives.non_saturating_loss, GOOD),
}


def saturation(setting: Setting) -> dict[str, bytes]:
    """The generator's two losses, and the gradient of each in the discriminator's logit."""
    logits = torch.linspace(-7, 7, 281)
    figure = new_figure(7.4, 3.2)
    loss_axes, gradient_axes = figure.subplots(1, 2)
    for name, (loss, colour) in LOSSES.items():
        loss_axes.plot(logits.sigmoid(), [loss(logit[None]) for logit in logits], color=colour, linewidth=2, label=name)
        gradient_axes.plot(logits, [slope(loss, logit) for logit in logits], color=colour, linewidth=2)
    loss_axes.set(xlabel="D(G(z)): how real a sample looks", ylabel="loss", ylim=(-5, 5), xlim=(0, 1))
    gradient_axes.set(
        xlabel="logit of D(G(z))",
        ylabel="size of the loss's gradient",
        ylim=(0, 1.05),
        xlim=(-7, 7),
        xticks=range(-6, 7, 3),
    )
    gradient_axes.annotate(
        "training begins here:\nno sample looks real",
        (-6.5, 0.02),
        xytext=(-6.5, 0.4),
        color=MUTED,
        fontsize=8.5,
        arrowprops={"arrowstyle": "->", "color": MUTED},
    )
    legend_above(loss_axes, columns=1)
    return {"saturation.png": png(figure)}


def slope(loss: Loss, logit: Tensor) -> float:
    """Size of a loss's gradient with respect to the logit of one sample."""
    leaf = logit.clone().requires_grad_()
    loss(leaf[None]).backward()  # type: ignore[no-untyped-call]  # torch has no types here
    assert leaf.grad is not None
    return abs(float(leaf.grad))
