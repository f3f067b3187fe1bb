"""What 8-bit files can hold, and what lists name."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unshine.synth import layout

light = st.floats(0, 100, width=32)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), light), min_size=1, max_size=8))
def test_fitting_eight_bits_keeps_the_product_and_a_valid_albedo(pixels):
    albedo, shading = np.array(pixels, np.float64).T
    fitted, dimmed, scale = layout.fit_eight_bits(albedo, shading)
    np.testing.assert_allclose(fitted * dimmed, albedo * shading, rtol=1e-9, atol=1e-12)
    assert fitted.max() <= 1 + 1e-9
    assert scale >= 1 or shading.max() <= 1
    # Either the shading fits, or the albedo has no room left.
    assert dimmed.max() <= 1 + 1e-9 or scale >= 1 / max(albedo.max(), 0.05) - 1e-9


def test_lists_are_sshrs_where_the_layers_are_there(tmp_path):
    layout.write_lists(tmp_path, "train", ["SSHR/x/1"], "jpg", ("i", "r", "d", "d_tc", "m"))
    assert [path.name for path in tmp_path.iterdir()] == ["train_4_tuples.lst"]
    line = (tmp_path / "train_4_tuples.lst").read_text()
    assert line == "SSHR/x/1_i.jpg SSHR/x/1_r.jpg SSHR/x/1_d.jpg SSHR/x/1_d_tc.jpg\n"


def test_few_layers_have_a_list_of_their_own(tmp_path):
    layout.write_lists(tmp_path, "test", ["a", "b"], "png", ("a", "s", "r", "m"))
    assert [path.name for path in tmp_path.iterdir()] == ["test_tuples.lst"]
    assert (tmp_path / "test_tuples.lst").read_text().split() == [
        f"{stem}_{layer}.png" for stem in "ab" for layer in "asrm"
    ]
