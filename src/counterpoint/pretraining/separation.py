"""A generative model of translations: what both say is one variable, what is of a language another."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.encoders import Features, TransformerEncoder, concat, lengths, pool, take
from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE, Objective, Only, Part, StandardNormal, Sum, SumBy
from counterpoint.points import Points
from counterpoint.pretraining._base import Guessing, places, transform
from counterpoint.training._processes import Processes
from counterpoint.training.payload import Arguments, Payload

TOKENS, VARIABLES = 0, 1
"""Of points, the column `kind`."""
TRANSLATED, REBUILT = 0, 1
"""Of tokens, the column `term`."""


class SourceSeparation(Guessing):
    """VMSST: translations x and y are written from a variable that they share and one that each has of its own.

    With `m(x)` the encoder's vector, `q(s|x) = N(m(x), v(x))`, and `q(l|x)` a second encoder's Gaussian, the loss is

        -log p(x|m(y), 0) - log p(y|m(x), 0)
            + w (-log p(x|s, l_x) - log p(y|s, l_y) + KL(q(s|x or y)) + KL(q(l_x|x)) + KL(q(l_y|y))),

    the mean over pairs; logarithms are sums over a sentence's tokens, and divergences those from N(0, I). `s` is drawn
    from what one of both says, x or y by chance, so that it must do for the other one, too. After training, `m` is the
    embedding. One decoder writes all languages: a layer of attention to earlier tokens, a linear map of each state
    beside both variables, and a feed-forward layer, each added and normalised; both variables stand beside what meets
    the vocabulary, too. There is no attention to the source.

    The second encoder begins as a copy of the first. Both it and the decoder are told the language by a vector that is
    added to token vectors. `m` is what the encoder pools, as long as it is; `log v` is linear in it.

    Source: the model of Wieting et al. 2022, "Beyond Contrastive Learning: A Variational Generative Model for
    Multilingual Retrieval", by its abstract and introduction; its equations were not at hand, and are those in the code
    of Wieting et al. 2019, "A Bilingual Generative Transformer for Semantic Sentence Embedding" (BGT). There each
    language has a second encoder, and two decoders, of which one translates; variables are sampled, but decoded by
    their means; batches take turns at which of both sentences `s` is of; and token vectors have an output table.

    Args:
        encoder: What is trained.
        texts: Sentences.
        others: Their translations, one each.
        languages: A number for that of each sentence and of its translation; 0 and 1, if not given.
        own: Whether there are variables of the language; if not, they are 0.

    Raises:
        InputError: For other numbers of translations or languages.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> first, second = ["a small corpus", "of two texts"], ["ein kleiner Korpus", "aus zwei Texten"]
        >>> encoder = small_transformer([*first, *second], layers=1, width=16, vocab_size=80)
        >>> task = SourceSeparation(encoder, first, second)
        >>> payload = task.payload(torch.arange(2))
        >>> call = payload.arguments(task(payload.inputs))
        >>> (call["queries"].columns["kind"] == VARIABLES).sum().item()  # 2 pairs, 3 variables, 16 dimensions
        96
        >>> bool(task.objective()(**call) > 0)
        True
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str],
        others: Sequence[str],
        *,
        languages: Int[Tensor, "n 2"] | None = None,
        own: bool = True,
    ) -> None:
        refuse_string(texts, "texts")
        refuse_string(others, "others")
        if len(texts) != len(others):
            raise InputError(f"{len(texts)} sentences and {len(others)} translations", fix="give one each")
        languages = torch.tensor([0, 1]).expand(len(texts), 2) if languages is None else languages
        if languages.shape != (len(texts), 2):
            raise InputError(f"languages of shape {tuple(languages.shape)} for {len(texts)} pairs", fix="give two each")
        super().__init__(encoder, [*texts, *others])
        self._languages, self._own = languages, own
        config = encoder.model.config
        width, drop = int(config.hidden_size), float(getattr(config, "hidden_dropout_prob", 0.1))
        number = int(languages.max()) + 1
        self.variance = nn.Linear(width, width, bias=False)
        if own:
            self.second, self.second_language = copy.deepcopy(encoder), _vectors(number, width)
            self.gaussian = nn.Linear(width, 2 * width, bias=False)
        self.language, self.position = _vectors(number, width), _vectors(encoder.max_seq_length, width)
        self.decoder = _Layer(width, int(config.num_attention_heads), 2 * width, drop)
        self.transform = transform(3 * width, width)

    @classmethod
    def objective(cls, weight: float = 0.1) -> Objective:
        """The loss of the class.

        Args:
            weight: `w`.
        """
        bound = Only("kind", VARIABLES, SumBy("pair", Part(StandardNormal(), 0, 2)))
        return Sum(cls.written(TRANSLATED), cls.written(REBUILT), bound, weights=(1.0, weight, weight))

    @classmethod
    def written(cls, term: int) -> Objective:
        """The first or the second two logarithms alone.

        Args:
            term: `TRANSLATED` or `REBUILT`.
        """
        guessed = SumBy("pair", InfoNCE(1.0, geometry=Dot()))
        return Only("kind", TOKENS, Only("term", term, guessed))

    def __len__(self) -> int:
        return super().__len__() // 2

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These sentences and their translations; which of both is read; and what makes samples of the variables."""
        del among
        both = tuple(self._side(rows, side) for side in (0, 1))
        both[0]["noise"] = torch.randn(len(rows), 3, self.variance.in_features)
        both[0]["read"] = torch.randint(2, rows.shape)
        written = torch.cat([side["whole"][:, 1:] for side in both], 1)
        target = torch.cat([written, written], 1)
        term = torch.tensor([TRANSLATED, REBUILT]).repeat_interleave(written.shape[1])

        def arguments(z: Float[Tensor, "n m d"]) -> Arguments:
            sought, pair = target.to(z.device), rows.to(z.device)
            there, variables = sought >= 0, z.shape[1] - sought.shape[1]
            h = z[:, variables:][there]
            # each dimension of each variable is a point: its mean and its log-variance
            each = z[:, :variables].unflatten(1, (-1, 2)).transpose(2, 3).reshape(-1, 2)
            table, _ = self._keys()
            # all processes' keys are gathered: each is there once
            mine = Processes.current().share(torch.arange(len(table), device=z.device))
            tokens = Points(
                torch.cat([h, torch.ones_like(h[:, :1])], 1),
                sample=sought[there],
                term=term.to(z.device).expand_as(sought)[there],
                pair=pair[:, None].expand_as(sought)[there],
                kind=torch.full_like(sought[there], TOKENS),
            )
            of = pair.repeat_interleave(len(each) // len(pair))
            none = torch.full_like(of, -1)
            kind = torch.full_like(of, VARIABLES)
            wide = nn.functional.pad(each, (0, tokens.z.shape[1] - 2))
            queries = Points.cat([tokens, Points(wide, sample=none, term=none, pair=of, kind=kind)])
            return {"queries": queries, "keys": Points(table[mine], sample=mine, kind=torch.full_like(mine, TOKENS))}

        cost = lengths(both[0]) + lengths(both[1])
        return Payload(both, cost, lambda pair, some: tuple(take(part, some) for part in pair), arguments)

    def _side(self, rows: Int[Tensor, " b"], side: int) -> Features:
        features = take(self._features, rows + side * len(self))
        ids = features["input_ids"]
        every = places(torch.ones_like(ids, dtype=torch.bool), features["offsets"])
        whole = torch.full_like(every, -1).masked_scatter(every >= 0, ids)
        return {"input_ids": ids, "offsets": features["offsets"], "whole": whole, "of": self._languages[rows, side]}

    def forward(self, features: Any) -> Float[Tensor, "n m d"]:
        """Of each pair mean and log-variance of each variable, then what the decoder says before each token.

        The tokens are those of both translations, and then of both that were rebuilt.
        """
        both = [self._on_device(part) for part in features]
        noise, read = both[0]["noise"], both[0]["read"]
        means = self._pooled(self.encoder, both, None)
        shared = torch.where(read[:, None] == 0, means[0], means[1])
        said = [shared, self.variance(shared)]
        if self._own:
            for m in self._pooled(self.second, both, self.second_language):
                said += self.gaussian(m).chunk(2, 1)
        sample = [m + (v / 2).exp() * noise[:, i] for i, (m, v) in enumerate(zip(said[::2], said[1::2], strict=True))]
        nothing = torch.zeros_like(shared)
        translated: list[Tensor] = []
        rebuilt: list[Tensor] = []
        for side, part in enumerate(both):
            own = sample[1 + side] if self._own else nothing
            known = torch.stack([torch.cat([means[1 - side], nothing], 1), torch.cat([sample[0], own], 1)])
            for states, written in zip(self._written(part, known), (translated, rebuilt), strict=True):
                written.append(states)
        return torch.cat([torch.stack(said, 1), *translated, *rebuilt], 1)

    def _pooled(
        self, encoder: TransformerEncoder, both: Sequence[Features], language: nn.Embedding | None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """The vector of each sentence and of each translation."""
        shown = concat([{name: part[name] for name in ("input_ids", "offsets")} for part in both])
        if language is not None:
            of = torch.cat([part["of"] for part in both])
            shown["shift"] = language(of.repeat_interleave(lengths(shown)))
        z: Tensor = pool(encoder._hidden(shown), shown["offsets"], encoder.pooling)
        return z[: len(z) // 2], z[len(z) // 2 :]

    def _written(self, features: Features, known: Float[Tensor, "v n k"]) -> Float[Tensor, "v n m d"]:
        """The transformed states before each token but the first, each time by other variables."""
        before = features["whole"][:, :-1]
        x = self._table[before.clamp_min(0)] + self.position.weight[: before.shape[1]]
        x = (x + self.language(features["of"])[:, None]).repeat(len(known), 1, 1)
        told = known.flatten(0, 1)[:, None].expand(-1, x.shape[1], -1)
        states: Tensor = self.transform(torch.cat([self.decoder(x, told), told], 2))
        return states.view(len(known), -1, *states.shape[1:])


class _Layer(nn.Module):
    """Attention to what is before, what is told, and a feed-forward layer, each added and normalised."""

    def __init__(self, width: int, heads: int, told: int, drop: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.told = nn.Linear(width + told, width)
        self.wide = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.after = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.drop = nn.Dropout(drop)

    def forward(self, x: Float[Tensor, "n m d"], told: Float[Tensor, "n m k"]) -> Float[Tensor, "n m d"]:
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
        x = self.after[0](x + self.drop(self.attention(x, x, x, attn_mask=later, need_weights=False)[0]))
        x = self.after[1](x + self.drop(self.told(torch.cat([x, told], 2))))
        out: Tensor = self.after[2](x + self.drop(self.wide(x)))
        return out


def _vectors(number: int, width: int) -> nn.Embedding:
    """As small as BERT's begin."""
    vectors = nn.Embedding(number, width)
    nn.init.normal_(vectors.weight, std=0.02)
    return vectors
