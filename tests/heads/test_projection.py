from __future__ import annotations

import torch
from torch import nn

from counterpoint.heads import projection


def test_is_w2_relu_w1_h():
    torch.manual_seed(0)
    head, h = projection(6, hidden=(10,), out=3), torch.randn(4, 6)
    first, _, second = head
    expected = torch.clamp(h @ first.weight.T + first.bias, min=0) @ second.weight.T + second.bias
    torch.testing.assert_close(head(h), expected)
    assert expected.shape == (4, 3)


def test_one_layer_with_tanh_keeps_the_width():
    head, h = projection(6, last=nn.Tanh), torch.randn(4, 6)
    torch.testing.assert_close(head(h), torch.tanh(h @ head[0].weight.T + head[0].bias))
    assert head(h).shape == h.shape
