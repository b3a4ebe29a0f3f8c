"""Networks for images: a vector an image, whatever its batch; the transformer against another of the same equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import ViTConfig, ViTModel

from counterpoint.data.images import digits
from counterpoint.data.row_splits import split_classes
from counterpoint.encoders.image import ImageEncoder, VisionTransformer
from counterpoint.errors import InputError
from counterpoint.evaluate import knn
from counterpoint.objectives import SupCon
from counterpoint.training import RowBatches, TrainConfig, train
from counterpoint.views import noise


def tiny(**options):
    torch.manual_seed(0)
    return VisionTransformer(**{"channels": 1, "size": 8, "patch": 2, "width": 32, "depth": 2, "heads": 2, **options})


def pictures(n, channels, size=8):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "make",
    [
        lambda c: ImageEncoder(c, widths=(8, 16)),
        lambda c: ImageEncoder(c, widths=(16, 32), groups=1, stride=2, standardized=True),
        lambda c: tiny(channels=c),
        lambda c: tiny(channels=c, pooling="mean"),
    ],
)
def test_every_network_gives_an_image_a_vector_of_its_own(make, channels):
    encoder, images = make(channels), pictures(5, channels)
    z = encoder(images)
    assert z.shape == (5, encoder.dim)
    assert z.requires_grad
    alone = torch.cat([encoder(image[None]) for image in images])
    assert torch.allclose(z, alone, atol=1e-5)
    encoded = encoder.train().encode(images, batch=2)
    assert encoder.training
    assert encoded.dtype == np.float32
    # in evaluation PyTorch takes another, fused path through the same equations
    assert encoded == pytest.approx(z.detach().numpy(), abs=1e-4)
    assert encoder.encode(images[:0]).shape == (0, encoder.dim)
    assert len(torch.unique(z, dim=0)) == 5


def test_memory_layout_and_stride_of_the_residual_network():
    torch.manual_seed(0)
    encoder, images = ImageEncoder(3, widths=(32, 64), groups=2, stride=2), pictures(6, 3, 16)
    assert encoder.stem(images).shape[2:] == (8, 8)
    assert encoder.layout == torch.channels_last
    z = encoder(images)
    z.square().sum().backward()
    gradient = encoder.stem.weight.grad.clone()
    encoder.zero_grad()
    encoder.layout = torch.contiguous_format
    again = encoder(images)
    again.square().sum().backward()
    assert torch.allclose(z, again, atol=1e-5)
    assert torch.allclose(gradient, encoder.stem.weight.grad, rtol=1e-3, atol=1e-4)
    # narrow groups are slow with channels last
    assert ImageEncoder(3).layout == torch.contiguous_format


def test_weights_are_standardized():
    torch.manual_seed(0)
    encoder, images = ImageEncoder(3, widths=(16, 32), groups=1, standardized=True), pictures(4, 3, 16)
    conv, plain = encoder.blocks[1].convs[0], torch.nn.Conv2d(16, 32, 3, 2, 1, bias=False)
    x = torch.rand(2, 16, 8, 8)
    with torch.no_grad():
        conv.gain[3] = 2.0
        for o in range(32):
            w = conv.weight[o].numpy().astype(np.float64)
            w = (w - w.mean()) / w.std() * np.sqrt(2 / w.size) * (2.0 if o == 3 else 1.0)
            plain.weight[o] = torch.from_numpy(w)
        assert torch.allclose(conv(x), plain(x), atol=1e-4)
        # so neither scale nor mean of the weights matters
        z = encoder(images)
        for module in encoder.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.mul_(3).add_(0.5)
        assert torch.allclose(encoder(images), z, atol=1e-3)
    encoder(images).square().sum().backward()
    assert float(conv.gain.grad.abs().max()) > 0
    assert float(conv.weight.grad.mean((1, 2, 3)).abs().max()) < 1e-4


def hugging_face(ours, depth):
    """Hugging Face's ViT with our weights."""
    width = ours.dim
    config = ViTConfig(
        hidden_size=width, num_hidden_layers=depth, num_attention_heads=2, intermediate_size=4 * width, image_size=8,
        patch_size=2, num_channels=1, layer_norm_eps=1e-5, hidden_act="gelu",
    )  # fmt: skip
    theirs = ViTModel(config, add_pooling_layer=False).eval()
    state = {
        "embeddings.cls_token": ours.start,
        # the first place is the class token's, ours is in the token
        "embeddings.position_embeddings": torch.cat(
            [torch.zeros(1, 1, width), ours.places.flatten(2).transpose(1, 2)], 1
        ),
        "embeddings.patch_embeddings.projection.weight": ours.patches.weight,
        "embeddings.patch_embeddings.projection.bias": ours.patches.bias,
        "layernorm.weight": ours.norm.weight,
        "layernorm.bias": ours.norm.bias,
    }
    pairs = {
        "attention.o_proj": "self_attn.out_proj", "layernorm_before": "norm1", "layernorm_after": "norm2",
        "mlp.fc1": "linear1", "mlp.fc2": "linear2",
    }  # fmt: skip
    for number, block in enumerate(ours.blocks):
        for kind in ("weight", "bias"):
            for name, part in zip("qkv", getattr(block.self_attn, f"in_proj_{kind}").chunk(3), strict=True):
                state[f"layers.{number}.attention.{name}_proj.{kind}"] = part
            for name, other in pairs.items():
                state[f"layers.{number}.{name}.{kind}"] = block.get_parameter(f"{other}.{kind}")
    theirs.load_state_dict(state)
    return theirs


@pytest.mark.filterwarnings("ignore")
def test_the_transformer_is_hugging_face_s():
    ours, images = tiny(), pictures(3, 1)
    theirs = hugging_face(ours, 2)
    with torch.no_grad():
        expected = theirs(images).last_hidden_state[:, 0]
        assert torch.allclose(ours(images), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_places_are_resized_for_other_sizes_as_hugging_face_does():
    ours, images = tiny(), pictures(3, 1, 12)
    theirs = hugging_face(ours, 2)
    with torch.no_grad():
        expected = theirs(images, interpolate_pos_encoding=True).last_hidden_state[:, 0]
        assert torch.allclose(ours(images), expected, atol=1e-5)


def test_places_tell_where_a_patch_is():
    encoder = tiny(pooling="mean")
    images = pictures(1, 1)
    turned = images.flip(3).unflatten(3, (4, 2)).flip(4).flatten(3)  # whole patches change places
    assert torch.equal(turned[..., :2], images[..., -2:])
    assert not torch.allclose(encoder(images), encoder(turned), atol=1e-3)
    with torch.no_grad():
        encoder.places.zero_()
    assert torch.allclose(encoder(images), encoder(turned), atol=1e-5)


def test_blocks_do_not_start_as_copies():
    first, second = (block.linear1.weight for block in tiny().blocks)
    assert not torch.allclose(first, second)


def test_what_does_not_divide_is_said():
    with pytest.raises(InputError, match="patches of 3 in images of 8"):
        tiny(patch=3)
    with pytest.raises(InputError, match="5 heads in 32 dimensions"):
        tiny(heads=5)
    with pytest.raises(InputError, match=r"images of \(8, 7\) are not whole patches of 2"):
        tiny()(torch.zeros(1, 1, 8, 7))


def test_the_transformer_learns_digits():
    parts = split_classes(digits(), seed=0)
    encoder = tiny()

    def accuracy():
        names = [[str(label) for label in part.columns["label"].tolist()] for part in parts]
        z = [encoder.encode(part.anchors.tensor[part.anchor]) for part in parts]
        return float((knn(z[0], names[0], z[1]) == np.array(names[1])).mean())

    before = accuracy()
    config = TrainConfig(epochs=8, batch_size=64, learning_rate=2e-3, validations=1, dtype="float32")
    train(encoder, RowBatches(parts[0], encoder, view=noise(0.1)), SupCon(0.1, layout="views"), config)
    assert before < 0.75
    assert accuracy() > 0.92
