"""Checkpoints: everything a run needs to go on as if it had not been stopped, whole or not at all.

Random numbers need no place in it: every step seeds its own from the run's seed and the step's number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.files import atomic

_STATE, _TENSORS = "state.json", "tensors.safetensors"


def save_checkpoint(
    folder: Path, modules: Mapping[str, nn.Module], optimizers: Sequence[torch.optim.Optimizer],
    state: Mapping[str, Any], extra: Mapping[str, Tensor],
) -> None:  # fmt: skip
    """Write a checkpoint folder, atomically.

    Args:
        folder: Replaced as a whole.
        modules: Their weights are kept.
        optimizers: Their states are kept.
        state: JSON: counters, history, best so far.
        extra: More tensors, such as the weights' average.
    """
    from safetensors.torch import save_file

    tensors = {f"extra/{name}": t for name, t in extra.items()}
    for name, module in modules.items():
        tensors |= {f"module/{name}/{key}": t for key, t in module.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        for index, kept in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{index}/{key}": torch.as_tensor(t) for key, t in kept.items()}
    with atomic(folder) as part:
        part.mkdir()
        # tied weights share storage, which the format does not allow
        save_file({k: t.detach().contiguous().clone() for k, t in tensors.items()}, part / _TENSORS)
        (part / _STATE).write_text(json.dumps(dict(state)))


def has_checkpoint(folder: Path) -> bool:
    """Whether the folder of a run holds something to go on from, be it of one stage or of the first of several."""
    places = [stage / "checkpoint" for stage in (folder, *folder.glob("stage-*"))]
    return any(place.exists() or _spare(place).exists() for place in places)


def _spare(folder: Path) -> Path:
    """Where the old one is between the two renames that replace it."""
    return folder.with_name(f".{folder.name}.old")


def load_checkpoint(
    folder: Path, modules: Mapping[str, nn.Module], optimizers: Sequence[torch.optim.Optimizer]
) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Put a checkpoint back; None if there is none.

    Returns:
        The state and the extra tensors.

    Raises:
        InputError: if the checkpoint cannot be read or belongs to another model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    spare = _spare(folder)
    if not folder.exists() and spare.exists():  # killed between the two renames
        spare.rename(folder)
    if not folder.exists():
        return None
    fix = "remove the folder to start again"
    try:
        state: dict[str, Any] = json.loads((folder / _STATE).read_text())
        tensors = load_file(folder / _TENSORS)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"the checkpoint cannot be read ({error})", file=folder, fix=fix) from error
    try:
        for name, module in modules.items():
            module.load_state_dict(_under(tensors, f"module/{name}/"))
        for number, optimizer in enumerate(optimizers):
            whole = optimizer.state_dict()
            kept: dict[int, dict[str, Tensor]] = {}
            for key, t in _under(tensors, f"optimizer/{number}/").items():
                index, what = key.split("/", 1)
                kept.setdefault(int(index), {})[what] = t
            whole["state"] = kept
            optimizer.load_state_dict(whole)
    except (RuntimeError, ValueError, KeyError) as error:
        raise InputError("the checkpoint is of another model or objective", file=folder, fix=fix) from error
    return state, _under(tensors, "extra/")


def save_weights(file: Path, module: nn.Module, replaced: Mapping[str, Tensor] | None = None) -> None:
    """Write a module's weights, some replaced (by their average, say)."""
    from safetensors.torch import save_file

    state = {**module.state_dict(), **(replaced or {})}
    with atomic(file) as part:
        save_file({k: t.detach().contiguous().clone() for k, t in state.items()}, part)


def load_weights(file: Path, module: nn.Module) -> None:
    """Put weights back."""
    from safetensors.torch import load_file

    module.load_state_dict(load_file(file))


class Best:
    """The best weights of a module: in `best.safetensors` of a folder, or in memory where there is none.

    Args:
        module: Whose weights.
        folder: Of the run.
        writes: Whether this process is the one that writes.
    """

    def __init__(self, module: nn.Module, folder: Path | None, *, writes: bool = True) -> None:
        self._module, self._writes = module, writes
        self._file = None if folder is None else folder / "best.safetensors"
        self._kept: dict[str, Tensor] = {}

    def keep(self, replaced: Mapping[str, Tensor] | None = None) -> None:
        """The weights as they are, some replaced (by their average, say), are the best."""
        if self._file is None:
            state = {**self._module.state_dict(), **(replaced or {})}
            for name, t in state.items():
                if name in self._kept:
                    self._kept[name].copy_(t.detach())
                else:
                    self._kept[name] = t.detach().clone()
        elif self._writes:
            save_weights(self._file, self._module, replaced)

    def put_back(self) -> None:
        """The module has the best weights again."""
        if self._file is None:
            self._module.load_state_dict(self._kept)
        else:
            load_weights(self._file, self._module)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: t for key, t in tensors.items() if key.startswith(prefix)}
