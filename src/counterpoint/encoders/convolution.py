"""A convolutional network over a transformer's token states, and what of them its vector can tell."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.items import Items
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features, Kind, lengths, of_text
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError


class ConvolutionEncoder(Wrapper):
    r"""What filters over a few neighbouring tokens found in a text, `z = W [c_3; c_4; c_5] + b` (TextCNN).

    With `x_t` the last state of a text's `t`-th token, special ones left out, filters of height `k` say
    `c_k = max_t relu(V_k [x_t; ...; x_{t+k-1}] + b_k)`. A text of fewer tokens than a filter's height has zeros after
    it; a text of nothing but special tokens is read with them. The vector is as wide as the encoder's.

    Sources: Kim 2014, "Convolutional Neural Networks for Sentence Classification", with 100 filters of each height, as
    there; over the states of a transformer Liu et al. 2024, "Self-Adaptive Reconstruction with Contrastive Learning for
    Unsupervised Sentence Embeddings", whose linear layer after it is not known to us.

    Args:
        encoder: Of the tokens; of its pooling and the layers after it nothing is used.
        kernels: The heights.
        channels: Filters of each.

    Raises:
        InputError: No height, or one below 1; no filters.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a small corpus"], layers=1, width=8, heads=2)
        >>> ConvolutionEncoder(bert, (2, 3), 4).encode(["a corpus", "small"]).shape
        (2, 8)
    """

    encoder: TransformerEncoder

    def __init__(self, encoder: TransformerEncoder, kernels: Sequence[int] = (3, 4, 5), channels: int = 100) -> None:
        if not kernels or min(kernels) < 1 or channels < 1:
            raise InputError(f"{channels} filters of heights {list(kernels)}", fix="give 1 or more, of 1 token or more")
        super().__init__(encoder)
        self.kernels, self.channels, self.max_seq_length = tuple(kernels), channels, encoder.max_seq_length
        self.filters = nn.ModuleList(nn.Conv1d(self.states_dim, channels, k) for k in self.kernels)
        self.merge = nn.Linear(channels * len(self.kernels), encoder.width)

    @property
    def states_dim(self) -> int:
        """Width of the states."""
        return int(self.encoder.model.config.hidden_size)

    def states(self, features: Features) -> tuple[Float[Tensor, "n l d"], Int[Tensor, " n"]]:
        """The states of the tokens that are read, zeros after a text's last, and how many each text has."""
        kept = of_text(features, self.special_tokens)
        count = torch.zeros_like(lengths(features))
        text = torch.repeat_interleave(torch.arange(len(count), device=kept.device), lengths(features))
        count = count.index_add(0, text, kept.long())
        hidden = self.encoder._hidden(features)[kept].to(self.merge.weight.dtype)
        places = max(int(count.max()), *self.kernels)
        there = torch.arange(places, device=kept.device) < count[:, None]
        states = hidden.new_zeros(len(count), places, hidden.shape[1])
        return states.masked_scatter(there[..., None], hidden), count

    def merged(self, states: Float[Tensor, "n l d"], count: Int[Tensor, " n"]) -> Float[Tensor, "n w"]:
        """The vectors of texts of whose tokens these are the states."""
        found = []
        for k, filters in zip(self.kernels, self.filters, strict=True):
            said = filters(states.transpose(1, 2))
            # where the filter's last token is none any more, but for a text that is shorter than it
            place = torch.arange(said.shape[2], device=said.device)
            beyond = place > (count - k).clamp_min(0)[:, None]
            found.append(said.masked_fill(beyond[:, None], float("-inf")).amax(2).relu())
        z: Tensor = self.merge(torch.cat(found, 1))
        return z

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        return self.merged(*self.states(features))


class ReconstructionBeside(nn.Module):
    r"""A text's vector, and after it in one row how far each token is from what the vector tells of it: `(n, d + l)`.

    What is trained in the place of a `ConvolutionEncoder` and holds it: with it an auto-encoder of token states. A
    decoder that knows the vector `z` and the place `t` tells `y_t = W_2 gelu(W_1 z + b_1 + p_t) + b_2`, and the error
    is `|y_t - x_t|^2 / d`, where `x_t` is the token's state at mean 0 and variance 1, without gradient: states that all
    grow small, or alike, would be easy to tell. Tokens are those that the encoder reads, the first `l` of a text; where
    there are fewer, errors are 0. The vector is told before it is brought to length one, if it is.

    Source: see `counterpoint.systems.sentences.sarcse`; decoder and target are our own.

    Args:
        encoder: It.
        length: `l`.

    Raises:
        InputError: It is none, or no length.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a small corpus"], layers=1, width=8, heads=2)
        >>> beside = ReconstructionBeside(ConvolutionEncoder(bert), length=4)
        >>> row = beside(bert.tokenize(["a corpus", "small"]))
        >>> row.shape, (row[:, 8:] > 0).sum(1).tolist()  # tokens
        (torch.Size([2, 12]), [2, 1])
    """

    def __init__(self, encoder: nn.Module, length: int = 32) -> None:
        super().__init__()
        if not isinstance(encoder, ConvolutionEncoder):
            raise InputError("only a ConvolutionEncoder's vector tells tokens", fix="make one of the encoder before")
        if length < 1:
            raise InputError(f"{length} tokens to tell", fix="give 1 or more")
        self.encoder, self.length = encoder, length
        width = encoder.states_dim
        self.first, self.place = nn.Linear(encoder.width, width), nn.Embedding(length, width)
        self.second = nn.Linear(width, width)

    @property
    def dim(self) -> int:
        """Of the vector alone."""
        return self.encoder.dim

    def inputs(self, items: Items, kind: Kind = None) -> Features:
        """The encoder's."""
        return self.encoder.inputs(items, kind)

    def forward(self, features: Features) -> Float[Tensor, "n e"]:
        """Both, with gradient."""
        encoder = self.encoder
        features = {name: value.to(encoder.device) for name, value in features.items()}
        if len(features["offsets"]) == 1:
            # as of `TextEncoder`: with gradient
            width = self.dim + self.length
            return torch.zeros(0, width, device=encoder.device, requires_grad=torch.is_grad_enabled())
        states, count = encoder.states(features)
        z = encoder.merged(states, count)
        states = states[:, : self.length].detach()
        told = self.second(F.gelu(self.first(z)[:, None] + self.place.weight[: states.shape[1]]))
        error = (told - F.layer_norm(states, states.shape[2:])).square().mean(2)
        error = error * (torch.arange(error.shape[1], device=error.device) < count[:, None])
        z = z[:, : self.dim]
        z = F.normalize(z, dim=-1) if encoder.normalize else z
        return torch.cat([z, F.pad(error, (0, self.length - error.shape[1])).to(z)], 1)
