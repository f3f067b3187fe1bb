import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unshine.upsampling import Enlargement


@settings(max_examples=25, deadline=None)
@given(slope=st.floats(-1, 1), offset=st.floats(-0.5, 0.5), seed=st.integers(0, 9))
def test_enlarging_follows_an_affine_relation_to_the_image(
    slope: float, offset: float, seed: int
) -> None:
    full = np.repeat(np.random.default_rng(seed).random((60, 90, 1), np.float32), 3, -1)
    small = full.reshape(20, 3, 30, 3, 3).mean((1, 3))
    enlarge = Enlargement(small, slope * small + offset, (60, 90))
    result = enlarge(slice(0, 60), full)
    # The ridge costs a little of the slope where the image is nearly flat.
    assert np.abs(result - (slope * full + offset)).mean() < 0.02 * abs(slope) + 1e-5
    nothing = Enlargement(small, np.zeros_like(small), (60, 90))
    assert not nothing(slice(0, 60), full).any()
