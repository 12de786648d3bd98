"""A fitted detector as one function, from the data's own values to scores and maps in them."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hizumi.data import Window
from hizumi.data.guard import trusted
from hizumi.detectors import Detector
from hizumi.inspection.scoring import EXPECTED, MAP, SCORE, SHARES, named_outputs

PIXELS, ROWS = "pixels", "rows"

MEANINGS = {
    PIXELS: "images at the working size, channels first, in the values that the image files hold",
    ROWS: "rows of numbers, standardised by the scaler of the preprocessing where it has one",
    SCORE: "how anomalous each item is; higher is more anomalous",
    "anomalous": "whether the score lies above the threshold",
    MAP: "how anomalous each pixel is, at the working size",
    EXPECTED: "what each item would be if it were normal, in the values of the input",
    SHARES: "what each number of a window adds to its score",
    "term": "a part of the score, or another view of it",
}


class Port(NamedTuple):
    """An input or output of a graph: its shape, in which "n" is the batch, and what it holds."""

    name: str
    shape: list[int | str]
    dtype: str
    meaning: str

    @classmethod
    def of(cls, name: str, example: Tensor) -> "Port":
        """From a batch of examples."""
        shape: list[int | str] = ["n", *example.shape[1:]]
        return cls(name, shape, str(example.dtype).removeprefix("torch."), MEANINGS[name.partition(":")[0]])

    @classmethod
    def of_verdict(cls) -> "Port":
        """The one that is added when the threshold is known."""
        return cls("anomalous", ["n"], "bool", MEANINGS["anomalous"])


class Graph(nn.Module):
    """Batches (n, c, h, w) or (n, d), float32, to a tuple of what `names` says."""

    def __init__(self, detector: Detector, window: Window | None) -> None:
        super().__init__()
        self.detector, self.window = detector.eval(), window

    def example(self) -> Tensor:
        """Three items that mean nothing, in the data's own range."""
        assert self.detector.shape is not None, "a fitted detector has a shape"
        items = 2 * torch.rand(3, *self.detector.shape, generator=torch.Generator().manual_seed(0)) - 1
        return items if self.window is None else self._in_own_values(items)

    @torch.no_grad()
    def ports(self) -> tuple[Port, list[Port]]:
        """What goes in and what comes out."""
        example = self.example()
        named = self.outputs(example)
        incoming = Port.of(ROWS if self.window is None else PIXELS, example)
        return incoming, [Port.of(name, value) for name, value in named.items()]

    def forward(self, items: Tensor) -> tuple[Tensor, ...]:
        """All outputs, none of them twice."""
        return tuple(value.clone() for value in self.outputs(items).values())

    def outputs(self, items: Tensor) -> dict[str, Tensor]:
        """All outputs by name; pictures and maps in the precision of the items."""
        with trusted():
            named = named_outputs(self.detector(self._in_window(items)))
            if self._is_of_series() and (shares := self.detector.contributions(items)) is not None:
                named[SHARES] = shares.to(items.dtype)
        if MAP in named:
            named[MAP] = named[MAP].to(items.dtype)
        if EXPECTED in named:
            named[EXPECTED] = self._in_own_values(named[EXPECTED].to(items.dtype))
        return named

    def _is_of_series(self) -> bool:
        return self.window is None and len(self.detector.shape or ()) == 3

    def _in_window(self, items: Tensor) -> Tensor:
        # As `Window.to_unit`, operation by operation: the same rounding.
        if self.window is None:
            return items
        low, scale = self._low_and_scale(items)
        return (items - low) * scale - 1

    def _in_own_values(self, items: Tensor) -> Tensor:
        if self.window is None:
            return items
        low, scale = self._low_and_scale(items)
        return (items + 1) / scale + low

    def _low_and_scale(self, items: Tensor) -> tuple[float, float] | tuple[Tensor, Tensor]:
        """Of the window, or of each channel's own."""
        assert self.window is not None, "rows have no window"
        low, high = self.window.limits()
        if not self.window.of_channels:
            return float(low), float(2 / (high - low))
        return torch.from_numpy(low).to(items), torch.from_numpy(2 / (high - low)).to(items)
