"""The camera's JPEG against Pillow's."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from unshine.synth import patterns
from unshine.synth.camera import jpeg


def level(value: float) -> torch.Tensor:
    return torch.full((1, 1, 1, 1), float(value))


@pytest.mark.parametrize("quality", [55, 75, 95])
@pytest.mark.parametrize("halved", [0, 1])
def test_jpeg_loses_what_pillow_loses(quality, halved):
    tiles = patterns.atlas(2, seed=3)[0, 0]
    image = torch.stack([tiles[:256, :256], tiles[256:, :256], tiles[:256, 256:]]) * 0.6 + 0.2
    image = (torch.nn.functional.avg_pool2d(image, 2)[:, :100, :90] * 255).round() / 255
    pixels = (image.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=2 * halved)
    theirs = np.asarray(Image.open(file), np.float32) / 255
    ours = jpeg(image[None], level(quality), level(halved))[0].permute(1, 2, 0).numpy()
    original = image.permute(1, 2, 0).numpy()
    loss = float(np.sqrt(np.mean((theirs - original) ** 2)))
    own_loss = float(np.sqrt(np.mean((ours - original) ** 2)))
    assert own_loss == pytest.approx(loss, rel=0.25)
    # Most of what is lost is the same: the two are closer to each other than to the original.
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.6 * loss


def test_jpeg_keeps_flat_images():
    flat = torch.full((1, 3, 21, 17), 100 / 255)
    assert torch.allclose(jpeg(flat, level(90), level(1)), flat, atol=1.01 / 255)
