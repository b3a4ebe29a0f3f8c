"""What a server takes at most."""

from __future__ import annotations

from dataclasses import dataclass, fields

from counterpoint.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Bounds of what is asked of a server at once; each is said when it is reached.

    Attributes:
        body: Bytes of a request.
        characters: Of one text.
        inputs: Texts of one request.
        batch: Texts that are encoded together.
        wait: Milliseconds that the first text of a batch waits for others.
        queue: Texts that wait to be encoded; who comes then is told to come again.
        requests: That are worked on at a time, those included whose body is still on its way.

    Raises:
        InputError: A bound is below 1 (`wait`: below 0), or a request may hold more texts than can wait.

    Examples:
        >>> Limits(inputs=8, queue=4)
        Traceback (most recent call last):
        counterpoint.errors.InputError: requests of up to 8 texts never fit in a queue of 4; let 8 or more wait.
    """

    body: int = 1 << 20
    characters: int = 32_768
    inputs: int = 2048
    batch: int = 64
    wait: float = 3.0
    queue: int = 8192
    requests: int = 1024

    def __post_init__(self) -> None:
        for each in fields(self):
            value, least = getattr(self, each.name), 0 if each.name == "wait" else 1
            if not least <= value < float("inf"):
                raise InputError(f"the limit of {each.name} is {value}", fix=f"give {least} or more")
        if self.inputs > self.queue:
            raise InputError(
                f"requests of up to {self.inputs:,} texts never fit in a queue of {self.queue:,}",
                fix=f"let {self.inputs:,} or more wait",
            )
