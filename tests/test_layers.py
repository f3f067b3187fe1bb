from unshine import layers
from unshine.layers import Layers


def test_every_layer_has_a_space_and_every_suffix_is_its_own() -> None:
    assert set(layers.SPACE) == set(layers.NAMES) == set(Layers._fields)
    assert set(layers.SUFFIX) == set(layers.NAMES) - {"highlight"}
    assert len(set(layers.SUFFIX.values())) == len(layers.SUFFIX)


def test_only_given_layers_are_listed_in_order() -> None:
    assert Layers(mask=2, image=1).given() == {"image": 1, "mask": 2}
