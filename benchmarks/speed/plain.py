"""The same algorithms as published code has them: separate passes, gradients of everything, memory as it comes."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, conv2d, l1_loss, mse_loss, pad

from hizumi.detectors.ganomaly import GANomalyTraining
from hizumi.networks.pixel import CausalConv2d
from hizumi.networks.recurrent import Recurrence
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


class MaskedConv2d(nn.Module):
    """A causal convolution with the whole square kernel, masked in each pass."""

    def __init__(self, cropped: CausalConv2d) -> None:
        super().__init__()
        outputs, inputs, rows, columns = cropped.weight.shape
        weight, mask = torch.zeros(2, outputs, inputs, columns, columns, device=cropped.weight.device)
        weight[:, :, :rows], mask[:, :, :rows] = cropped.weight.detach(), cropped.mask
        self.weight, self.mask, self.bias = nn.Parameter(weight), mask, cropped.bias
        self.padding = columns // 2

    def forward(self, maps: Tensor) -> Tensor:
        """All pixels at once."""
        return conv2d(maps, self.weight * self.mask, self.bias, padding=self.padding)


class PlainRecurrence(nn.Module):
    """Row LSTM, or Diagonal BiLSTM on a skewed picture: line by line, each gate by itself, by automatic gradients."""

    def __init__(self, recurrence: Recurrence) -> None:
        super().__init__()
        self.weight, self.directions = recurrence.weight, recurrence.directions

    def forward(self, gates: Tensor) -> Tensor:
        """Hidden states (s, h, w, n) from gates (g, h, w, n)."""
        if self.directions == 1:
            return self._lines(gates, self.weight[0], _above)
        first, second = gates.chunk(2)
        states = [
            _unskewed(self._lines(_skewed(own), weight, _left), gates.shape[2])
            for own, weight in ((first, self.weight[0]), (second.flip(2), self.weight[1]))
        ]
        return torch.cat([states[0], states[1].flip(2)])

    def _lines(self, gates: Tensor, weight: Tensor, neighbours: Callable[[Tensor], list[Tensor]]) -> Tensor:
        size = len(gates) // 4
        hidden = cell = gates.new_zeros(size, *gates.shape[2:])
        states = []
        for line in gates.unbind(1):
            seen = torch.cat(neighbours(hidden))
            output, forget, into, content = (
                own + torch.einsum("hs,swn->hwn", its, seen)
                for own, its in zip(line.chunk(4), weight.chunk(4), strict=True)
            )
            carried = neighbours(cell)[0]
            cell = forget.sigmoid() * carried + into.sigmoid() * content.tanh()
            hidden = output.sigmoid() * cell.tanh()
            states.append(hidden)
        return torch.stack(states, 1)


def _above(states: Tensor) -> list[Tensor]:
    # Of (s, w, n): the pixel above, and those to its left and to its right.
    return [states, pad(states, (0, 0, 1, 0))[:, :-1], pad(states, (0, 0, 0, 1))[:, 1:]]


def _left(states: Tensor) -> list[Tensor]:
    # Of a diagonal (s, h, n): the pixel to the left lies in the same row of the diagonal before, that above a row up.
    return [states, pad(states, (0, 0, 1, 0))[:, :-1]]


def _skewed(maps: Tensor) -> Tensor:
    # From (g, h, w, n) to diagonals (g, h + w - 1, h, n).
    height = maps.shape[1]
    rows = [pad(row, (0, 0, index, height - 1 - index)) for index, row in enumerate(maps.unbind(1))]
    return torch.stack(rows, 2)


def _unskewed(diagonals: Tensor, width: int) -> Tensor:
    return torch.stack([diagonals[:, row : row + width, row] for row in range(diagonals.shape[2])], 1)
