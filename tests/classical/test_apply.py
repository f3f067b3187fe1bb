"""Classical methods on images as people have them: any type, grey, with alpha."""

import numpy as np
import pytest

from unshine import classical
from unshine.errors import UnshineError


@pytest.fixture(autouse=True)
def halving(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method whose answer is known: half the light where it is bright."""
    monkeypatch.setitem(
        classical.METHODS, "halving", lambda light: light * np.where(light > 0.5, 0.5, 1)
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 1), (6, 7, 2), (6, 7, 3), (6, 7, 4)])
def test_type_shape_alpha_and_what_does_not_change_stay(dtype: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random(shape)
    peak = 1 if dtype.startswith("f") else np.iinfo(dtype).max
    image = (values * peak).astype(dtype)
    before = image.copy()
    result = classical.apply("halving", image)
    assert (result.dtype, result.shape) == (image.dtype, image.shape)
    assert np.array_equal(image, before)
    if shape[2:] in ((2,), (4,)):
        assert np.array_equal(result[..., -1], image[..., -1])
    dark = np.zeros_like(image)
    assert np.array_equal(classical.apply("halving", dark), dark)
    assert np.array_equal(classical.apply("halving", image, 0), image)


def test_strength_blends_in_linear_light() -> None:
    image = np.full((2, 2, 3), 0.9)
    light = 0.9**2.2
    assert np.allclose(classical.apply("halving", image) ** 2.2, 0.5 * light, atol=1e-5)
    assert np.allclose(classical.apply("halving", image, 0.4) ** 2.2, 0.8 * light, atol=1e-5)


@pytest.mark.parametrize("strength", [-0.1, 3.0, float("nan"), "1", None])
def test_what_is_no_strength(strength: object) -> None:
    with pytest.raises(ValueError, match="strength must be a number between 0 and 1"):
        classical.apply("halving", np.zeros((2, 2, 3)), strength)  # type: ignore[arg-type]


def test_what_is_no_method() -> None:
    with pytest.raises(UnshineError, match="no method 'magic'; choose from tan2005"):
        classical.apply("magic", np.zeros((2, 2, 3)))
