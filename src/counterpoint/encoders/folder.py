"""Model folders in sentence-transformers' layout: what we write, versions 2.7 to 6 load, and the reverse.

We write the old module names and the old keys, which every version reads; we read old and new ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders._checkpoint import (
    read_gguf,
    read_settings,
    read_transformer,
    read_weights,
    resolve,
)
from counterpoint.encoders.exported import RECORD, Backend, Export, ExportedEncoder, choose
from counterpoint.encoders.pooling import Pooling
from counterpoint.encoders.saving import KERNELS, SETTINGS, is_saved, load_saved, saved_name
from counterpoint.encoders.static import StaticEncoder
from counterpoint.encoders.transformer import Dense, TransformerEncoder
from counterpoint.errors import InputError
from counterpoint.files import inside

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LEGACY = "sentence_transformers.models."
# our name, the old boolean key, the new value
POOLING_KEYS: tuple[tuple[Pooling, str, str], ...] = (
    ("cls", "pooling_mode_cls_token", "cls"),
    ("mean", "pooling_mode_mean_tokens", "mean"),
    ("max", "pooling_mode_max_tokens", "max"),
    ("mean_sqrt_len", "pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"),
    ("weighted_mean", "pooling_mode_weightedmean_tokens", "weightedmean"),
    ("last", "pooling_mode_lasttoken", "lasttoken"),
)
# the keys version 2.7 reads in any case; the others are written only when they are set
ALWAYS = 4


def load(
    name: str | PathLike[str], *, backend: Backend = "auto", trust_remote_code: bool = False, **options: Any
) -> Any:
    """The encoder in a folder, or of this name on the Hugging Face hub.

    Reads sentence-transformers folders (Transformer, Pooling, Dense, Normalize, StaticEmbedding; of versions 2
    to 6), model2vec's, plain Hugging Face models and GGUF files (then: mean pooling, last token for causal models);
    networks for images, and two towers with all they are made of.

    Args:
        name: A folder, a file ``MODEL.gguf``, or a hub name such as ``"intfloat/e5-base-v2"``.
        backend: What computes. ``"torch"``: the weights; to train, too. ``"openvino"``, ``"onnx"``: the compiled graph
            that `counterpoint.exporting.export` wrote to the folder. ``"auto"``: that graph, if it can be run here and
            was faster than torch when it was exported, with vectors that agree (`Export.chosen`); else the weights.
        trust_remote_code: Run code that comes with the model. Never needed for the usual architectures.
        options: Of texts, instead of what the folder says: any argument of the encoder (`pooling`, `prompts`,
            `truncate_dim`, `max_seq_length`, ...).

    Raises:
        InputError: No such folder and no such model to be had; a file is missing, broken or of another
            dimension; the folder holds another kind of model, or no graph for the backend.
        MissingExtra: What runs the backend's graph is not installed.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp() + "/model"
        >>> StaticEncoder.from_corpus(["a small corpus"], dim=8).save(folder)
        >>> load(folder).dim
        8
    """
    folder = resolve(name)
    if folder.suffix == ".gguf" and folder.is_file():
        model, tokenizer, causal = read_gguf(folder)
        return TransformerEncoder(model, tokenizer, **({"pooling": "last" if causal else "mean"} | options))
    if saved_name(folder) == KERNELS:
        raise _no_vectors(KERNELS, folder / SETTINGS)
    if is_saved(folder):
        return load_saved(folder, backend=backend, trust_remote_code=trust_remote_code, **options)
    settings = _read_json(folder / "config_sentence_transformers.json", {})
    kind = settings.get("model_type") or "SentenceTransformer"
    if kind != "SentenceTransformer":
        raise _no_vectors(kind, folder / "config_sentence_transformers.json")
    prompts = settings.get("prompts") or {}
    found: dict[str, Any] = {
        # version 6 writes empty prompts for none
        "prompts": {k: v for k, v in prompts.items() if v},
        "default_prompt_name": settings.get("default_prompt_name"),
        "similarity": settings.get("similarity_fn_name") or "cosine",
        "truncate_dim": settings.get("truncate_dim"),
    }
    if found["default_prompt_name"] not in found["prompts"]:
        found["default_prompt_name"] = None
    modules = _modules(folder)
    export = choose(folder, _read_json(folder / RECORD, {}), backend)
    if modules and modules[0][0] == "StaticEmbedding":
        return _load_static(modules, found | options)
    return _load_transformer(folder, modules, found, options, trust_remote_code, export)


def _no_vectors(kind: str, file: Path) -> InputError:
    fix = "use load_cross_encoder, or search --rerank" if kind in (KERNELS, "CrossEncoder") else ""
    return InputError(f"holds a {kind}, not an encoder that gives one vector a text", file=file, fix=fix)


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """(class name, folder) of each module, Normalize and Dropout included; [] without modules.json."""
    path = folder / "modules.json"
    modules = []
    for entry in _read_json(path, []):
        if not isinstance(entry, dict) or not {"type", "path"} <= entry.keys():
            raise InputError("an entry lacks its type or path", file=path)
        modules.append((str(entry["type"]).rsplit(".", 1)[-1], inside(folder, str(entry["path"]))))
    # dropout does nothing at inference
    modules = [m for m in modules if m[0] != "Dropout"]
    names = [name for name, _ in modules]
    usual = ["Transformer", "Pooling"] if names[:1] == ["Transformer"] else ["StaticEmbedding"]
    rest = [name for name in names[len(usual) :] if name != "Dense"]
    if names and (names[: len(usual)] != usual or rest not in ([], ["Normalize"]) or "Normalize" in names[:-1]):
        raise InputError(
            f"the modules {', '.join(names)} are not an order that can be read here",
            file=path,
            fix="use Transformer, Pooling, Dense, Normalize or StaticEmbedding, Normalize",
        )
    return modules


def _load_static(modules: list[tuple[str, Path]], options: dict[str, Any]) -> StaticEncoder:
    folder = modules[0][1]
    if options.pop("max_seq_length", None) is not None:
        raise InputError("a static model reads texts of any length", file=folder, fix="leave out the maximal length")
    if any(name == "Dense" for name, _ in modules):
        raise InputError("a Dense layer over static embeddings is not supported", file=folder)
    weights = read_weights(folder)
    table = weights.get("embedding.weight")
    if table is None:
        # model2vec's own names; vectors may be shared by tokens and weighted
        table = weights.get("embeddings")
        if table is None:
            raise InputError("has no embedding.weight", file=folder / "model.safetensors")
        if "mapping" in weights:
            table = table[weights["mapping"].long()]
        if "weights" in weights:
            table = table.float() * weights["weights"].float()[:, None]
    if table.ndim != 2:
        raise InputError("embedding.weight is not a matrix", file=folder / "model.safetensors")
    options.setdefault("normalize", modules[-1][0] == "Normalize")
    return StaticEncoder(_read_tokenizer(folder / "tokenizer.json"), table, **options)


def _read_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    if not path.is_file():
        raise InputError("is missing", file=path, fix="copy the whole model folder")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise InputError(f"is not a tokenizer ({error})", file=path, fix="get the file again") from error


def _load_transformer(
    folder: Path,
    modules: list[tuple[str, Path]],
    found: dict[str, Any],
    options: dict[str, Any],
    trust_remote_code: bool,
    export: Export | None,
) -> TransformerEncoder:
    here = modules[0][1] if modules else folder
    if export is None:
        model, tokenizer, causal = read_transformer(here, trust_remote_code)
        config = model.config
    else:
        (config, tokenizer), causal = read_settings(here, trust_remote_code), False
    settings = _read_json(here / "sentence_bert_config.json", {})
    found["max_seq_length"] = settings.get("max_seq_length")
    found["do_lower_case"] = bool(settings.get("do_lower_case"))
    found["normalize"] = not modules or modules[-1][0] == "Normalize"
    if modules:
        path = modules[1][1] / "config.json"
        pooling = _read_json(path)
        found["pooling"] = _read_pooling(pooling, path)
        found["include_prompt"] = pooling.get("include_prompt", True)
        width = pooling.get("word_embedding_dimension", pooling.get("embedding_dimension"))
        if width != config.hidden_size:
            raise InputError(
                f"pools vectors of {width} dimensions, the model gives {config.hidden_size}",
                file=path,
                fix="restore the model's own files",
            )
        found["heads"] = [_read_dense(path) for name, path in modules if name == "Dense"]
    else:
        found["pooling"] = "last" if causal else "mean"
    if export is not None:
        return ExportedEncoder(folder, export, config, tokenizer, **(found | options))
    return TransformerEncoder(model, tokenizer, **(found | options))


def _read_pooling(config: dict[str, Any], path: Path) -> Pooling:
    new = config.get("pooling_mode", [])
    wanted = [new] if isinstance(new, str) else list(new)
    modes = [ours for ours, old, value in POOLING_KEYS if config.get(old) or value in wanted]
    if len(modes) != 1 or len(wanted) > 1:
        raise InputError("does not name exactly one known pooling", file=path, fix="choose one")
    return modes[0]


def _read_dense(folder: Path) -> Dense:
    path = folder / "config.json"
    config = _read_json(path)
    name = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = getattr(torch.nn, name.rsplit(".", 1)[-1], None)
    if not name.startswith("torch.nn.modules.") or not isinstance(activation, type):
        raise InputError(f"unknown activation {name!r}", file=path)
    if config.get("use_residual") or not {"in_features", "out_features"} <= config.keys():
        raise InputError("is not a plain Dense layer", file=path)
    dense = Dense(
        int(config["in_features"]),
        int(config["out_features"]),
        bool(config.get("bias", True)),
        activation(),
    )
    try:
        dense.load_state_dict(read_weights(folder))
    except RuntimeError as error:
        raise InputError("the weights do not fit the layer's config.json", file=folder) from error
    return dense


def write_settings(folder: Path, encoder: TextEncoder, modules: Sequence[tuple[str, str]]) -> None:
    """Write modules.json and config_sentence_transformers.json."""
    if encoder.normalize:
        modules = [*modules, ("Normalize", f"{len(modules)}_Normalize")]
        (folder / modules[-1][1]).mkdir()
    entries = [
        {"idx": i, "name": str(i), "path": path, "type": LEGACY + name} for i, (name, path) in enumerate(modules)
    ]
    _write_json(folder / "modules.json", entries)
    settings: dict[str, Any] = {
        # the oldest version that reads it: a newer one here makes older ones warn
        "__version__": {"sentence_transformers": "2.7.0"},
        "prompts": encoder.prompts,
        "default_prompt_name": encoder.default_prompt_name,
        "similarity_fn_name": encoder.similarity,
    }
    if encoder.truncate_dim:
        settings["truncate_dim"] = encoder.truncate_dim
    _write_json(folder / "config_sentence_transformers.json", settings)


def write_transformer(folder: Path, encoder: TransformerEncoder) -> list[tuple[str, str]]:
    """Write the model, the tokenizer, the pooling and the heads; give the modules."""
    from counterpoint.encoders._checkpoint import write_checkpoint

    write_checkpoint(folder, encoder.model, encoder.tokenizer)
    settings = {"max_seq_length": encoder.max_seq_length, "do_lower_case": encoder.do_lower_case}
    _write_json(folder / "sentence_bert_config.json", settings)
    (folder / "1_Pooling").mkdir()
    keys = [
        (old, ours == encoder.pooling)
        for i, (ours, old, _) in enumerate(POOLING_KEYS)
        if i < ALWAYS or ours == encoder.pooling
    ]
    config: dict[str, Any] = {"word_embedding_dimension": encoder.model.config.hidden_size, **dict(keys)}
    if not encoder.include_prompt:
        config["include_prompt"] = False
    _write_json(folder / "1_Pooling" / "config.json", config)
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    for head in encoder.heads:
        assert isinstance(head, Dense)
        modules.append(("Dense", f"{len(modules)}_Dense"))
        _write_dense(folder / modules[-1][1], head)
    return modules


def _write_dense(folder: Path, dense: Dense) -> None:
    from safetensors.torch import save_file

    folder.mkdir()
    linear, activation = dense.linear, type(dense.activation)
    config = {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.bias is not None,
        "activation_function": f"{activation.__module__}.{activation.__qualname__}",
    }
    _write_json(folder / "config.json", config)
    weights = {k: v.detach().cpu().contiguous() for k, v in dense.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    # version 2.7 looks for this one only
    torch.save(weights, folder / "pytorch_model.bin")


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _read_json(path: Path, default: Any = None) -> Any:
    """The JSON in `path`, of the same type as `default` (a dict without one, and then it must be there)."""
    if not path.is_file():
        if default is None:
            raise InputError("is missing", file=path, fix="copy the whole model folder")
        return default
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError("is not valid JSON", file=path, fix="get the file again") from error
    if not isinstance(value, type({} if default is None else default)):
        raise InputError("is not what a model folder has there", file=path, fix="get the file again")
    return value
