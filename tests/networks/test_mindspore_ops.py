"""MindSpore's operators of our own against its own and PyTorch's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

mindspore = pytest.importorskip("mindspore", reason="MindSpore is not installed")
mindspore_ops = pytest.importorskip("unshine.networks.mindspore_ops")


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(1, 1, 0), (2, 2, 0), (3, 1, 1), (4, 2, 1)]
)
def test_the_gradients_of_a_convolution_are_those_of_mindspore(size, stride, padding):
    random = np.random.default_rng(0)
    x, weight = (
        mindspore.Tensor(random.standard_normal(shape, np.float32))
        for shape in ((2, 5, 12, 8), (7, 5, size, size))
    )
    product = mindspore_ops._Product(5, 7, size, stride, padding)
    assert product.bprop
    out = product(x, weight)
    dout = mindspore.Tensor(random.standard_normal(out.shape, np.float32))
    own = product.bprop(x, weight, out, dout)

    def plain(x, weight):
        return (mindspore.ops.conv2d(x, weight, None, stride, "pad", padding) * dout).sum()

    for got, want in zip(own, mindspore.grad(plain, (0, 1))(x, weight), strict=True):
        assert np.allclose(got.asnumpy(), want.asnumpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("size", "larger"), [((4, 6), (32, 48)), ((1, 3), (8, 24)), ((5, 5), (5, 9))]
)
def test_enlarging_is_pytorchs(size, larger):
    x = np.random.default_rng(0).random((2, 3, *size), np.float32)
    got = mindspore_ops.resized(mindspore.Tensor(x), *larger).asnumpy()
    want = F.interpolate(torch.from_numpy(x), size=larger, mode="bilinear").numpy()
    assert np.allclose(got, want, atol=1e-6)
