"""The probe of systems whose encoder is their own."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.evaluate import probe


def standardised_accuracy(
    x: tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]], labels: tuple[Int[Tensor, " n"], Int[Tensor, " m"]]
) -> float:
    """Of logistic regression on standardised features, fitted on the first part, on the second."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x[0].numpy())
    fitted, held = (scaler.transform(part.numpy()) for part in x)
    names = [[str(label) for label in part.tolist()] for part in labels]
    return float((probe(fitted, names[0], held) == np.array(names[1])).mean())
