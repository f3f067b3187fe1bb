"""Views of panoramas of high dynamic range."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from unshine import optics
from unshine.errors import UnshineError
from unshine.synth import panoramas, photographs

OpenEXR = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")


def write(path: Path, light: np.ndarray) -> Path:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"RGB": light.astype(np.float32)}).write(str(path))
    return path


def test_an_even_sky_is_an_even_picture_of_the_asked_exposure(tmp_path):
    path = write(tmp_path / "even.exr", np.full((64, 128, 3), 40))
    for view in panoramas.views(path, 48, 5, np.random.default_rng(0)):
        assert view.shape == (48, 48, 3)
        assert view.dtype == np.uint8
        assert view.max() - view.min() <= 1
        assert 0.09 < optics.decode(view.mean() / 255) < 0.31


def test_a_sun_clips_and_values_that_are_no_numbers_are_suns(tmp_path):
    light = np.full((128, 256, 3), 0.2)
    light[60:68, ::16] = np.nan
    path = write(tmp_path / "sun.exr", light)
    views = list(panoramas.views(path, 64, 8, np.random.default_rng(1)))
    assert sum((view == 255).all(-1).any() for view in views) >= 6
    assert all(np.ptp(view.reshape(-1, 3).astype(int), 1).max() == 0 for view in views)


def test_a_sun_whose_core_lacks_colours_is_white(tmp_path):
    light = np.full((128, 256, 3), 0.2)
    light[62:66, ::16] = (-20, 0, 150)
    path = write(tmp_path / "sun.exr", light)
    views = list(panoramas.views(path, 64, 8, np.random.default_rng(1)))
    assert sum((view == 255).all(-1).any() for view in views) >= 6
    assert all(np.ptp(view.reshape(-1, 3).astype(int), 1).max() == 0 for view in views)


@pytest.mark.parametrize("yaw", [0, 90, 180, 270])
def test_what_is_looked_at_is_in_the_middle(yaw):
    panorama = torch.zeros(1, 3, 64, 128)
    column = round((yaw / 360 + 0.5) * 128) % 128
    panorama[..., 30:34, [(column - 1) % 128, column]] = 1
    view = panoramas._view(panorama, 33, math.pi / 2, np.radians([yaw, 0, 0]))
    assert view[0, 0, 16, 16] > 0.9
    assert view[..., 0].max() == view[..., -1].max() == 0


def test_turning_up_moves_the_horizon_down():
    panorama = torch.zeros(1, 3, 64, 128)
    panorama[..., 32:, :] = 1
    level, up = (
        panoramas._view(panorama, 32, math.pi / 2, np.radians([20, pitch, 0])) for pitch in (0, -20)
    )
    assert float(level.mean()) == pytest.approx(0.5, abs=0.02)
    assert up.mean() < level.mean() - 0.1


def test_a_damaged_panorama_is_refused_by_its_name(tmp_path):
    path = write(tmp_path / "broken.exr", np.random.default_rng(5).random((64, 128, 3)))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(UnshineError, match=r"broken\.exr"):
        next(panoramas.views(path, 32, 1, np.random.default_rng(0)))


def test_a_folder_may_hold_panoramas_among_photographs(tmp_path):
    path = write(tmp_path / "room.exr", np.random.default_rng(2).random((64, 128, 3)))
    assert photographs.Album(tmp_path).folders == [[path]]
    batch = next(iter(photographs.PhotographStream(tmp_path, 32, 2, seed=0)))
    assert batch.image.shape == (2, 3, 32, 32)
