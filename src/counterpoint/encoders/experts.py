"""Texts of several domains: each layer's perceptron as often as there are domains, all else shared."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders._base import clean
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features, Kind, take
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.errors import InputError, refuse_string

SEPARATOR = "\t"
"""Between a domain and its text."""
MOST = 100
"""Domains of one model: with more, tabs stand for something else."""
_PERCEPTRONS = (("mlp",), ("ffn",), ("intermediate", "output.dense"))
"""What a block calls it, in architectures of one kind and another."""


class ExpertEncoder(Wrapper):
    r"""A transformer whose perceptrons are those of a text's domain, and whose attention is everybody's.

    Each block's perceptron is there once for each domain: `h + f_k(norm(h))` for all tokens of a text of domain `k`,
    which the text says itself, a tab behind: "heart\tA trial of statins." One without a tab is of the domain "". A text
    costs what it costs without experts, which begin as copies of one another. Until it knows domains, texts of any are
    read by the encoder's own perceptrons. Features have one more key, `domain` `(n,)`.

    Source: Hallee et al. 2024, "Contrastive Learning and Mixture of Experts Enables Precise Vector Embeddings", and
    `models/moe_blocks.py` of the authors' code: a text is routed as a whole, by what is said of it and by no network.

    Args:
        encoder: Its own perceptrons are those of the first domain.
        domains: Names; there are more with `learn`.

    Raises:
        InputError: A domain twice, or a name with a tab; the encoder's blocks have no perceptron by a known name; in a
            call, a text of a domain that is not known.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a trial of statins"], layers=1, width=8, heads=2)
        >>> encoder = ExpertEncoder(bert, ["heart", "skin"])
        >>> len(encoder.others), encoder.encode(["heart\ta trial", "skin\ta trial"]).shape
        (1, (2, 8))
    """

    encoder: TransformerEncoder
    others: nn.ModuleList
    """Of each domain but the first: the perceptrons that stand in the places of the encoder's own."""

    def __init__(self, encoder: TransformerEncoder, domains: Sequence[str] = ()) -> None:
        refuse_string(domains, "domains")
        super().__init__(encoder)
        self.batch_tokens = encoder.batch_tokens
        self.domains: tuple[str, ...] = ()
        self.others = nn.ModuleList()
        perceptrons(encoder)
        self.learn(domains)

    def learn(self, domains: Sequence[str]) -> None:
        """Add an expert, a copy of the first one, for each domain that is not known yet.

        Raises:
            InputError: One twice, or a name with a tab.
        """
        refuse_string(domains, "domains")
        if len(set(domains)) < len(domains) or any(SEPARATOR in name for name in domains):
            raise InputError(f"domains {', '.join(domains)}", fix="name each once, without a tab")
        for name in domains:
            if name in self.domains:
                continue
            if self.domains:
                own = [getattr(parent, place) for parent, place in perceptrons(self.encoder)]
                self.others.append(nn.ModuleList(map(copy.deepcopy, own)))
            self.domains += (name,)

    @contextlib.contextmanager
    def at(self, dtype: torch.dtype) -> Iterator[None]:
        """See `TextEncoder`: in single precision whatever is asked, since copies of weights would be one expert's."""
        del dtype
        yield

    def tokenize(self, texts: Sequence[str], kind: Kind = None) -> Features:
        """See `TextEncoder`: of what stands behind the domain, which a prompt stands before."""
        refuse_string(texts, "texts")
        said, bare = [], []
        for i, text in enumerate(texts):
            domain, rest = _divided(clean(text, i))
            if self.domains and domain not in self.domains:
                known = ", ".join(map(repr, self.domains))
                what = f"a text of domain {domain!r}, where {known} are known"
                raise InputError(what, line=i + 1, fix="write one of these, a tab and the text")
            said.append(self.domains.index(domain) if self.domains else 0)
            bare.append(rest)
        return {**super().tokenize(bare, kind), "domain": torch.tensor(said, dtype=torch.long)}

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        if self.training and any(getattr(m, "gradient_checkpointing", False) for m in self.encoder.model.modules()):
            # what is computed again in the backward pass would be by the first expert
            raise InputError("experts do not keep inputs alone", fix="train without checkpoint_gradients")
        rest = {name: value for name, value in features.items() if name != "domain"}
        parts, rows = [], []
        for k in features["domain"].unique().tolist():
            rows.append((features["domain"] == k).nonzero()[:, 0])
            with self._expert(k):
                parts.append(self.encoder._embed(take(rest, rows[-1])))
        return torch.cat(parts)[torch.cat(rows).argsort()]

    @contextlib.contextmanager
    def _expert(self, k: int) -> Iterator[None]:
        """The encoder with the perceptrons of a domain in the places of its own."""
        places = perceptrons(self.encoder)
        own = [getattr(parent, name) for parent, name in places]
        taken = list(cast(nn.ModuleList, self.others[k - 1])) if k else own
        try:
            for (parent, name), expert in zip(places, taken, strict=True):
                setattr(parent, name, expert)
            yield
        finally:
            for (parent, name), module in zip(places, own, strict=True):
                setattr(parent, name, module)


def perceptrons(encoder: TransformerEncoder) -> list[tuple[nn.Module, str]]:
    """Where a transformer's perceptrons are, or the layers of them: the module that holds one, and its name there.

    Raises:
        InputError: There is none by a known name, or the model does not say which its layers are.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> bert = small_transformer(["a trial"], layers=2, width=8, heads=2)
        >>> [name for _, name in perceptrons(bert)]
        ['intermediate', 'dense', 'intermediate', 'dense']
    """
    found = []
    for block in encoder.blocks:
        names = {name for name, _ in block.named_modules()}
        paths = next((paths for paths in _PERCEPTRONS if names.issuperset(paths)), ())
        if not paths:
            what = f"a {encoder.model.config.model_type} has no perceptron by a known name"
            raise InputError(what, fix="give another model")
        for path in paths:
            parent, _, name = path.rpartition(".")
            found.append((block.get_submodule(parent), name))
    return found


def by_domain(encoder: nn.Module) -> nn.Module:
    """A transformer that gets experts (`ExpertEncoder`), of no domain yet; one with experts stays.

    Raises:
        InputError: It is none.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> by_domain(small_transformer(["a trial"], layers=1, width=8, heads=2)).domains
        ()
    """
    if isinstance(encoder, ExpertEncoder):
        return encoder
    if not isinstance(encoder, TransformerEncoder):
        raise InputError("only a transformer has experts", fix="give one for a base, such as minilm")
    return ExpertEncoder(encoder)


def domains_of(data: Data, encoder: nn.Module, seed: int) -> Data:
    r"""A step before training: an `ExpertEncoder` gets an expert for each domain that the texts name.

    Raises:
        InputError: They name more than a hundred.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> from counterpoint.data.items import Items
        >>> encoder = by_domain(small_transformer(["a trial"], layers=1, width=8, heads=2))
        >>> _ = domains_of(Data.alone(Items("text", ["skin\ta trial", "heart\ta trial"])), encoder, 0)
        >>> encoder.domains
        ('heart', 'skin')
    """
    del seed
    assert isinstance(encoder, ExpertEncoder)
    every = (data.anchors, *(() if data.others is None else (data.others,)))
    names = {_divided(text)[0] for items in every for text in items.texts}
    if len(names) > MOST:
        what = f"{len(names):,} domains, of which {sorted(names)[1]!r} is one"
        raise InputError(
            what, file=data.source or None, fix=f"what stands before a tab is a domain: name {MOST} or fewer"
        )
    encoder.learn(sorted(names))
    return data


def _divided(text: str) -> tuple[str, str]:
    """What it says its domain is, and the rest."""
    domain, tab, rest = text.partition(SEPARATOR)
    return (domain, rest) if tab else ("", text)
