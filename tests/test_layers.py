import numpy as np
import pytest

from unshine import layers, optics
from unshine.layers import Layers


def test_every_layer_has_a_space_and_every_suffix_is_its_own() -> None:
    assert set(layers.SPACE) == set(layers.NAMES) == set(Layers._fields)
    assert set(layers.SUFFIX) == set(layers.NAMES) - {"highlight"}
    assert len(set(layers.SUFFIX.values())) == len(layers.SUFFIX)


def test_only_given_layers_are_listed_in_order() -> None:
    assert Layers(mask=2, image=1).given() == {"image": 1, "mask": 2}


@pytest.mark.parametrize("name", layers.NAMES)
def test_linear_layers_alone_are_encoded(name: str) -> None:
    values = np.linspace(0, 1, 5)
    linear = name in ("shading", "specular")
    expected = optics.encode(values) if linear else values
    assert np.array_equal(layers.displayed(name, values), expected)
