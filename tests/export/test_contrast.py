"""Contrast normalisation inside graphs, whose engines add numbers up one after the other."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hizumi.data.contrast import contrast_normalised
from hizumi.export.exporting import _members
from hizumi.export.silence import quiet
from hizumi.runtime.engines import EngineName, start


class Normalising(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return contrast_normalised(images)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_saturated_images_keep_the_digits_of_single_precision(engine: EngineName) -> None:
    images = torch.ones(2, 3, 128, 96)
    generator = torch.Generator().manual_seed(0)
    images[:, :, 40:90, 30:70] = 2 * torch.rand(2, 3, 50, 40, generator=generator) - 1
    with quiet("torch.onnx"):
        exported = torch.onnx.export(
            Normalising().eval(), (images,), dynamo=True, verbose=False, output_names=["normalised"]
        )
    assert exported is not None
    found = start(engine, _members(exported.model_proto, engine), 1)(images.numpy())["normalised"]
    expected = contrast_normalised(images.double()).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * float(np.abs(expected).max()))
