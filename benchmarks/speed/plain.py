"""The same algorithms as published code has them: separate passes, gradients of everything, memory as it comes."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss, mse_loss

from hizumi.detectors.ganomaly import GANomalyTraining
from hizumi.training import Trainable


def with_plain_adam(model: Trainable) -> Trainable:
    """A model whose optimisers are torch's default ones."""
    for name, optimiser in model.optimisers.items():
        if isinstance(optimiser, torch.optim.Adam):
            group = optimiser.param_groups[0]
            model.optimisers[name] = torch.optim.Adam(group["params"], group["lr"], group["betas"])
    return model


def ganomaly_step(model: GANomalyTraining, batch: Tensor) -> None:
    """One step as in the released code: four passes of the discriminator, and its gradients of the generator's loss."""
    generator, discriminator = model.optimisers["generator"], model.optimisers["discriminator"]
    code = model.encoder(batch)
    rebuilt = model.decoder(code)
    second_code = model.second_encoder(rebuilt)
    real_logits, fake_logits = model.discriminator(batch), model.discriminator(rebuilt.detach())

    generator.zero_grad()
    features = model.discriminator.features
    adversarial = mse_loss(features(rebuilt), features(batch).detach())
    weighted = zip(model.weights, (adversarial, l1_loss(rebuilt, batch), mse_loss(second_code, code)), strict=True)
    sum(weight * loss for weight, loss in weighted).backward(retain_graph=True)
    generator.step()

    discriminator.zero_grad()
    real = binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    fake = binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    ((real + fake) / 2).backward()
    discriminator.step()
