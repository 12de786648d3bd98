"""The same algorithms as published code has them: separate passes, gradients of everything, memory as it comes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, conv1d, conv2d, l1_loss, mse_loss, pad

from hizumi.detectors.ganomaly import GANomalyTraining
from hizumi.networks.pixel import CausalConv2d
from hizumi.networks.recurrent import Recurrence


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
        weight[:, :, :rows], mask[:, :, :rows] = cropped.kernel.detach(), cropped.mask
        self.weight, self.mask, self.bias = nn.Parameter(weight), mask, cropped.bias
        self.padding = columns // 2

    def forward(self, maps: Tensor) -> Tensor:
        """All pixels at once."""
        return conv2d(maps, self.weight * self.mask, self.bias, padding=self.padding)


class PlainRecurrence(nn.Module):
    """Row LSTM, or Diagonal BiLSTM on a skewed picture: line by line, a convolution for each gate."""

    def __init__(self, recurrence: Recurrence) -> None:
        super().__init__()
        self.weight, self.directions = recurrence.weight, recurrence.directions

    def forward(self, gates: Tensor) -> Tensor:
        """Hidden states (s, h, w, n) from gates (g, h, w, n)."""
        images = gates.permute(3, 0, 1, 2)
        if self.directions == 1:
            states = _lines(images.unbind(2), _kernels(self.weight[0], (1, 0, 2)), (1, 1))
            return torch.stack(states, 2).permute(1, 2, 3, 0)
        both = []
        for own, weight, mirrored in zip(images.chunk(2, 1), self.weight, (False, True), strict=True):
            skewed = _skewed(own.flip(3) if mirrored else own)
            states = _unskewed(torch.stack(_lines(skewed.unbind(3), _kernels(weight, (1, 0)), (1, 0)), 3))
            both.append(states.flip(3) if mirrored else states)
        return torch.cat(both, 1).permute(1, 2, 3, 0)


def _kernels(weight: Tensor, order: tuple[int, ...]) -> Tensor:
    # From (4 h, taps h) to convolutions (4 h, h, taps) along a line, the taps in the order of the line.
    hidden = len(weight) // 4
    return torch.stack([weight[:, tap * hidden : (tap + 1) * hidden] for tap in order], 2)


def _lines(lines: Sequence[Tensor], kernels: Tensor, padding: tuple[int, int]) -> list[Tensor]:
    # Each line (n, 4 h, length) takes the states of the one before; the cell goes straight on.
    count, four_hidden, length = lines[0].shape
    hidden = cell = lines[0].new_zeros(count, four_hidden // 4, length)
    states = []
    for line in lines:
        seen = pad(hidden, padding)
        output, forget, into, content = (
            own + conv1d(seen, kernel) for own, kernel in zip(line.chunk(4, 1), kernels.chunk(4), strict=True)
        )
        cell = forget.sigmoid() * cell + into.sigmoid() * content.tanh()
        hidden = output.sigmoid() * cell.tanh()
        states.append(hidden)
    return states


def _skewed(maps: Tensor) -> Tensor:
    # Each row (n, g, h, w) begins a column later than the one above, so that columns are diagonals.
    height = maps.shape[2]
    return torch.stack([pad(row, (index, height - 1 - index)) for index, row in enumerate(maps.unbind(2))], 2)


def _unskewed(maps: Tensor) -> Tensor:
    height, width = maps.shape[2], maps.shape[3] - maps.shape[2] + 1
    return torch.stack([maps[:, :, row, row : row + width] for row in range(height)], 2)
