"""WebP files: lossless stays lossless."""

from dataclasses import replace

import made
import numpy as np
import pytest

from unshine.io import stills


@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_stays_lossless(channels: int) -> None:
    array = made.pixels(40, 50, channels)
    if channels == 4:
        array[:10, :, 3] = 0  # colours under full transparency are pixels too
    still = stills.read(made.saved(array, "WEBP", lossless=True, exact=True))
    pixels = still.pixels.copy()
    pixels[20:] //= 2
    again = stills.read(stills.encode(replace(still, pixels=pixels)))
    assert np.array_equal(again.pixels, pixels)
    assert (again.alpha is None) == (channels == 3)
    if channels == 4:
        assert np.array_equal(again.alpha, array[..., 3])


def test_lossy_stays_lossy_and_a_quality_makes_it_so() -> None:
    array = made.pixels(40, 50, 3)
    for still, options in (
        (stills.read(made.saved(array, "WEBP", quality=80)), {}),
        (stills.read(made.saved(array, "WEBP", lossless=True)), {"quality": 80}),
    ):
        changed = replace(still, pixels=still.pixels // 2)
        written = stills.read(stills.encode(changed, **options))
        assert written.source is not None
        assert not written.source.coding["lossless"]
