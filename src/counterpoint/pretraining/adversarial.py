"""A denoising auto-encoder whose codes an adversary cannot tell from noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from counterpoint.encoders import Features, TransformerEncoder, lengths, pool, take
from counterpoint.errors import InputError
from counterpoint.objectives import Adversary, Objective, SumBy
from counterpoint.points import Points
from counterpoint.pretraining._base import Guessing, beside_guesses, transform, with_texts
from counterpoint.training.payload import Arguments, Payload


class AdversarialAutoencoder(Guessing):
    """DAAE: a text is written again from a code of what is left of it, and codes are to be as if drawn from N(0, I).

    The encoder reads the text with tokens left out. Its vector is the mean `m` of a Gaussian, whose log-variance `v` is
    linear in what is pooled; the code is always a sample, `z = m + exp(v / 2) noise`. The decoder is an LSTM that reads
    the whole text, a linear map of `z` added to each token vector. With a critic `D`, a perceptron of one hidden layer,
    and `u` from N(0, I), the loss is

        -sum_t log p(x_t | x_<t, z) - w log D(z) - log(1 - D(z)) - log D(u),

    the mean over texts: by the second term codes learn and the critic does not, by the last two the critic alone. After
    training the encoder stays. With nothing left out it is an adversarial auto-encoder (Makhzani et al. 2015).

    Source: Shen, Mueller, Barzilay and Jaakkola 2019, "Educating Text Autoencoders: Latent Representation Guidance via
    Denoising", and the authors' code, whose encoder is an LSTM in both directions, and whose critic has an optimiser of
    its own, with the same settings; for Adam that is the same, but for its epsilon. Their output layer is no table of
    token vectors.

    Args:
        encoder: Transformer that is trained; its vectors should not be of length one (`unscaled`), and a linear layer
            after pooling leaves them any size (`linear_layer`).
        texts: The corpus, or what its tokenizer makes of it.
        share: Of the tokens, or words, that are left out; 0.3 is theirs.
        hidden: Of the decoder and the critic; four times the width of the encoder, if not given.
        dropout: Of what the decoder reads and says; 0.5 is theirs.
        whole_words: Words are left out, with all their tokens.
        bias: Whether tokens have one.

    Raises:
        InputError: A share out of 0 to 1.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> texts = ["a small corpus", "of two texts"]
        >>> task = AdversarialAutoencoder(small_transformer(texts, layers=1, width=16, vocab_size=60), texts)
        >>> payload = task.payload(torch.arange(2))
        >>> task(payload.inputs).shape  # three logits of the critic, and each text after its first token
        torch.Size([2, 5, 16])
        >>> bool(task.objective()(**payload.arguments(task(payload.inputs))) > 0)
        True
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        texts: Sequence[str] | Features,
        *,
        share: float = 0.3,
        hidden: int | None = None,
        dropout: float = 0.5,
        whole_words: bool = False,
        bias: bool = True,
    ) -> None:
        if not 0 <= share < 1:
            raise InputError(f"the share of what is left out is {share}", fix="give one from 0 to below 1")
        super().__init__(encoder, texts, whole_words=whole_words, bias=bias)
        self._share = share
        width, dim = int(encoder.model.config.hidden_size), encoder.dim
        hidden = 4 * width if hidden is None else hidden
        self.variance, self.told = nn.Linear(width, dim), nn.Linear(dim, width)
        self.decoder, self.drop = nn.LSTM(width, hidden, batch_first=True), nn.Dropout(dropout)
        self.transform = transform(hidden, width)
        self.critic = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    @classmethod
    def objective(cls, weight: float = 10.0) -> Objective:
        """The loss of the class.

        Args:
            weight: `w`; 10 is theirs.
        """
        return beside_guesses(SumBy("of", super().objective()), Adversary(weight))

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These texts without some words, and as they were; and the noise of codes and for the critic."""
        del among
        whole = take(self._features, rows)
        inputs = self._thinned(whole, self._share)
        inputs["noise"] = torch.randn(len(rows), 2, self.told.in_features)
        target = inputs["whole"][:, 1:]
        given = self._payload(inputs, target, cost=lengths(whole))

        def arguments(z: Float[Tensor, "n m d"]) -> Arguments:
            call, there = given.arguments(z[:, 1:]), target.to(z.device) >= 0
            text, tokens = rows.to(z.device), call["queries"]
            of = text[:, None].expand_as(there)[there]
            codes = Points(z[:, 0, :3], sample=torch.full_like(text, -1), of=text)
            return with_texts({**call, "queries": Points(tokens.z, {**tokens.columns, "of": of})}, codes, codes[:0])

        return replace(given, arguments=arguments)

    def forward(self, features: Features) -> Float[Tensor, "n m d"]:
        """What the critic says of each text, and the decoder's transformed state before each token but the first."""
        features = self._on_device(features)
        noise = features["noise"]
        pooled = pool(self.encoder._hidden(features), features["offsets"], self.encoder.pooling)
        mean = pooled
        for head in self.encoder.heads:
            mean = head(mean)
        code = mean + (self.variance(pooled) / 2).exp() * noise[:, 0]
        before = features["whole"][:, :-1]
        x = self.drop(self._table[before.clamp_min(0)]) + self.told(code)[:, None]
        states = self.transform(self.drop(self.decoder(x)[0]))
        # by the first codes learn and the critic does not, by the others the critic alone
        fixed = {name: value.detach() for name, value in self.critic.named_parameters()}
        drawn = noise[:, 1].to(code)
        said = [functional_call(self.critic, fixed, code), self.critic(code.detach()), self.critic(drawn)]
        logits = torch.cat(said, 1)
        return torch.cat([F.pad(logits, (0, states.shape[2] - 3))[:, None].to(states), states], 1)
