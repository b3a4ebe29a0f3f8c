"""Texts of several fields, such as a title and a description: one vector of all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features, lengths
from counterpoint.errors import InputError

SEPARATOR = "\t"
"""Between fields."""


class FieldEncoder(Wrapper):
    r"""The weighted mean of the vectors of a text's fields, each of length one, `z = sum_f w_f z_f / |z_f|`.

    Fields stand one after another, tabs between: "Red shoes\tLight shoes for runners". Each is encoded by itself, with
    the special tokens that a text has, and cut at the same length. A text of one field is that field, so queries and
    documents need not have as many; of an empty field there is nothing in the mean. A prompt stands before the first.
    Features have one more key, `fields` `(n, f)`: how many tokens are of each.

    Source: Zhu et al. 2024, "Generalized Contrastive Learning for Multi-Modal Retrieval and Ranking", multi-field, and
    the evaluation of the authors' code, which takes the mean to length one, as is done here where the encoder does so.

    Args:
        encoder: Of each field.
        shares: `w_f`, one a field, above 0; there may be no more fields than these.

    Raises:
        InputError: No shares, or one that is not above 0; in a call, more fields, or tokens that a view has dropped.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> table = StaticEncoder.from_corpus(["red shoes", "for runners"], dim=8)
        >>> encoder = FieldEncoder(table, (0.5, 0.5))
        >>> z = encoder.encode(["red shoes", "for runners", "red shoes\tfor runners"])
        >>> bool(abs(z[2] @ z[0] - z[2] @ z[1]) < 1e-6)
        True
    """

    def __init__(self, encoder: TextEncoder, shares: Sequence[float] = (0.5, 0.5)) -> None:
        if not shares or not all(0 < share < math.inf for share in shares):
            raise InputError(f"fields weigh {tuple(shares)}", fix="give one number above 0 for each")
        super().__init__(encoder)
        self.shares = tuple(shares)
        self.batch_tokens = encoder.batch_tokens

    def _flat(self, texts: list[str]) -> Features:
        rows = [text.split(SEPARATOR) for text in texts]
        most = len(self.shares)
        for i, row in enumerate(rows):
            if len(row) > most:
                raise InputError(f"{len(row)} fields, where {most} have a share", line=i + 1, fix="give fewer")
        flat = self.encoder._flat([field for row in rows for field in row])
        number = torch.tensor([len(row) for row in rows], dtype=torch.long)
        fields = torch.zeros(len(rows), most, dtype=torch.long)
        there = torch.arange(most) < number[:, None]
        fields[there] = lengths(flat)
        made = {"input_ids": flat["input_ids"]}
        if "cut" in flat:
            cut = torch.zeros_like(fields, dtype=torch.bool)
            cut[there] = flat["cut"]
            made["cut"] = cut.any(1)
        return {**made, "offsets": F.pad(fields.sum(1).cumsum(0), (1, 0)), "fields": fields}

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        fields = features["fields"]
        if not torch.equal(fields.sum(1), lengths(features)):
            raise InputError("a view has changed how many tokens fields have", fix="choose one of words")
        if changed := sorted(set(features) & {"position_ids", "dropout"}):
            raise InputError(f"a view has changed {changed[0]}, which fields do not have", fix="choose one of words")
        there = fields > 0
        row, place = there.nonzero(as_tuple=True)
        offsets = F.pad(fields[there].cumsum(0), (1, 0))
        tokens: Features = {name: features[name] for name in ("input_ids", "scale", "shift") if name in features}
        z = self.encoder._embed(tokens | {"offsets": offsets})
        weight = torch.tensor(self.shares, device=z.device, dtype=z.dtype)[place]
        unit = F.normalize(z, dim=1) * weight[:, None]
        return z.new_zeros(len(fields), z.shape[1]).index_add(0, row, unit)
