"""Dichromatic scenes whose truth is known exactly."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class Scene(NamedTuple):
    """Linear light, (H, W, 3): image = diffuse + white specular light."""

    image: Floats
    diffuse: Floats


@pytest.fixture(scope="session")
def scene() -> Scene:
    """Four saturated surfaces, smoothly shaded, each with one small white highlight."""
    rows, columns = np.mgrid[:96, :128] / 32.0
    surface = (rows > 1.5).astype(int) + 2 * (columns > 2)
    albedo = np.array([[0.8, 0.3, 0.05], [0.1, 0.6, 0.25], [0.15, 0.1, 0.7], [0.7, 0.65, 0.05]])
    shading = 0.55 + 0.25 * np.sin(2.1 * rows + 0.4) * np.cos(1.7 * columns)
    diffuse = albedo[surface] * shading[..., None]
    specular = np.zeros_like(rows)
    for row, column in ((0.7, 1.0), (2.2, 0.9), (0.75, 3.1), (2.3, 2.9)):
        distance = (rows - row) ** 2 + (columns - column) ** 2
        specular += 0.35 * np.exp(-distance / (2 * 0.12**2))
    return Scene(diffuse + specular[..., None], diffuse)


@pytest.fixture(scope="session")
def shen_zheng(real_pairs: Path) -> Path:
    """The folder of Shen & Zheng's images."""
    return real_pairs / "shen-zheng"
