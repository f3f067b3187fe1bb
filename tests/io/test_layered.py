"""Layered files hold what was given, under the names that were given."""

from pathlib import Path

import made
import numpy as np
import pytest

from unshine.errors import UnshineError
from unshine.io import icc, layered, stills

pytest.importorskip("tifffile")
OpenEXR = pytest.importorskip("OpenEXR")

LAYERS = {
    "albedo": made.pixels(24, 30, 3, dtype=np.float32),
    "shading": made.pixels(24, 30, 3, dtype=np.float32) * 3,
    "specular": made.pixels(24, 30, 3, dtype=np.float32) * 0.1,
    "highlight": made.pixels(24, 30, dtype=np.float32),
    "clean": made.pixels(24, 30, 3, dtype=np.float32, seed=2),
}


@pytest.mark.parametrize("ending", layered.ENDINGS)
def test_layers_come_back(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    layered.write(LAYERS, path)
    found = layered.read(path)
    assert set(found) == set(LAYERS)
    for name, layer in LAYERS.items():
        assert found[name].shape == layer.shape
        assert np.allclose(found[name], layer, rtol=0 if ending != ".exr" else 2**-11, atol=1e-7)
    # The sum stays a sum, within what halves hold.
    sums = found["albedo"] * found["shading"] + found["specular"]
    expected = LAYERS["albedo"] * LAYERS["shading"] + LAYERS["specular"]
    assert np.allclose(sums, expected, rtol=2e-3)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_programs_without_layers_show_the_clean_image(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    layered.write(LAYERS, path, profile=icc.of_primaries(icc.PRIMARIES[12]))
    still = stills.read(path)
    assert np.allclose(still.pixels, LAYERS["clean"], rtol=2**-11)
    found = icc.primaries(still.metadata.icc_profile or b"")
    assert np.allclose(found or (), icc.PRIMARIES[12], atol=1e-3)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UnshineError, match=r"\.exr, \.tif or \.tiff"):
        layered.write(LAYERS, tmp_path / "a.png")
    with pytest.raises(ValueError, match="one size"):
        layered.write({}, tmp_path / "a.exr")
    with pytest.raises(ValueError, match="one size"):
        layered.write({"a": np.zeros((2, 2)), "b": np.zeros((3, 2))}, tmp_path / "a.exr")
    layered.write(LAYERS, tmp_path / "a.exr")
    with pytest.raises(UnshineError, match="exists already"):
        layered.write(LAYERS, tmp_path / "a.exr")
    (tmp_path / "b.exr").write_bytes(b"v/1\1" + bytes(50))
    with pytest.raises(UnshineError, match="cannot be read"):
        layered.read(tmp_path / "b.exr")
