"""What graphs compute of pictures, whose engines count in single precision and add up one after the other."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hizumi.data.contrast import contrast_normalised
from hizumi.detectors.image_statistics import image_statistics
from hizumi.export.exporting import _members
from hizumi.export.silence import quiet
from hizumi.runtime.engines import EngineName, start


class Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images)


def in_a_graph(function: Callable[[Tensor], Tensor], images: Tensor, engine: EngineName) -> np.ndarray:
    with quiet("torch.onnx"):
        exported = torch.onnx.export(
            Function(function).eval(), (images,), dynamo=True, verbose=False, output_names=["found"]
        )
    assert exported is not None
    return start(engine, _members(exported.model_proto, engine), 1)(images.numpy())["found"]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_saturated_images_keep_the_digits_of_single_precision(engine: EngineName) -> None:
    images = torch.ones(2, 3, 128, 96)
    generator = torch.Generator().manual_seed(0)
    images[:, :, 40:90, 30:70] = 2 * torch.rand(2, 3, 50, 40, generator=generator) - 1
    found = in_a_graph(contrast_normalised, images, engine)
    expected = contrast_normalised(images.double()).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * float(np.abs(expected).max()))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_background_of_even_pictures_keeps_the_digits_of_its_distance_from_the_rest(engine: EngineName) -> None:
    images = 0.5 + 0.01 * torch.randn(1, 1, 96, 64, generator=torch.Generator().manual_seed(0))
    found = in_a_graph(image_statistics, images, engine)[:, 3]
    expected = image_statistics(images)[:, 3].numpy()
    assert float(np.abs(expected).max()) < 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-9)
