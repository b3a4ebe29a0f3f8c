"""Hugging Face checkpoints: find, read and check them, and write them so that old versions read them too."""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import json
import logging
from collections.abc import Iterator
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from counterpoint.errors import InputError, MissingExtra

# enough to load a model; leaves other formats (ONNX, TensorFlow) on the hub
WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.py", "*/pytorch_model.bin"]

MODEL_FILES = ("modules.json", "config.json", "counterpoint.json", "query")
"""One of these is in every model folder; those of nothing else are replaced by one."""

TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model", "*.tiktoken")


def resolve(name: str | PathLike[str]) -> Path:
    """The local folder of a model, or its GGUF file; a hub name is fetched (or taken from the cache)."""
    folder = Path(name)
    if folder.is_dir() or (folder.suffix == ".gguf" and folder.is_file()):
        return folder
    text = str(name)
    if folder.exists() or folder.is_absolute() or text.startswith((".", "~")) or text.count("/") > 1:
        raise InputError("there is no such model folder", file=name, fix="check the path")
    from huggingface_hub import snapshot_download

    try:
        fetched = Path(snapshot_download(text, allow_patterns=WANTED))
        if not any(fetched.glob("*.safetensors")) and not any(fetched.glob("*/*.safetensors")):
            snapshot_download(text, allow_patterns=["pytorch_model*.bin"])
        return fetched
    except Exception as error:  # network, name and permission errors have no common base
        raise InputError(
            f"there is no folder {text!r} here and no model of this name could be fetched from the hub",
            fix="check the name and the network, or give a local folder",
        ) from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of model.safetensors, or of pytorch_model.bin (tensors only, no code)."""
    safe, pickled = folder / "model.safetensors", folder / "pytorch_model.bin"
    if safe.is_file():
        _check_safetensors(safe)
        from safetensors.torch import load_file

        tensors: dict[str, Tensor] = load_file(safe)
        return tensors
    if not pickled.is_file():
        raise InputError("is missing", file=safe, fix="copy the whole model folder")
    try:
        tensors = torch.load(pickled, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file raises almost anything
        raise _broken(pickled) from error
    return tensors


def _check_safetensors(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise _broken(path) from error


def _broken(path: Path) -> InputError:
    return InputError("is truncated or not a weights file", file=path, fix="get the file again")


def read_settings(folder: Path, trust_remote_code: bool) -> tuple[Any, Any]:
    """(configuration, tokenizer) of a local checkpoint, checked."""
    import transformers

    path = folder / "config.json"
    if not path.is_file():
        raise InputError("is missing: this is not a model folder", file=path, fix="check the path")
    # transformers 5 makes an empty tokenizer when it finds none
    if not any(any(folder.glob(pattern)) for pattern in TOKENIZER_FILES):
        raise InputError("is missing", file=folder / "tokenizer.json", fix="copy the whole model folder")
    with loading(folder):
        options = {"trust_remote_code": trust_remote_code, "local_files_only": True}
        config = transformers.AutoConfig.from_pretrained(folder, **options)
        return config, transformers.AutoTokenizer.from_pretrained(folder, **options)


def read_transformer(folder: Path, trust_remote_code: bool) -> tuple[Any, Any, bool]:
    """(model in float32, tokenizer, whether it is causal) of a local checkpoint, everything checked."""
    import transformers

    config, tokenizer = read_settings(folder, trust_remote_code)
    for weights in folder.glob("*.safetensors"):
        _check_safetensors(weights)
    with loading(folder):
        # of an encoder-decoder only the encoder gives vectors
        make = transformers.AutoModelForTextEncoding if config.is_encoder_decoder else transformers.AutoModel
        model, info = make.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            trust_remote_code=trust_remote_code,
            local_files_only=True,
        )
    # the pooler (a tanh layer for next-sentence prediction) is not used here
    missing = [key for key in info["missing_keys"] if "pooler" not in key]
    if missing or info["mismatched_keys"]:
        key = missing[0] if missing else info["mismatched_keys"][0][0]
        raise InputError(
            f"the weights do not fit config.json: {key} is missing or of another shape",
            file=folder,
            fix="get the model's files again",
        )
    if len(missing) < len(info["missing_keys"]) and "add_pooling_layer" in inspect.signature(type(model)).parameters:
        # drawn at random, it would be saved, and no two runs would leave the same folder
        model.pooler = None
    names = getattr(config, "architectures", None) or [""]
    return model, tokenizer, names[0].endswith("ForCausalLM") or is_causal(model)


def need_gguf() -> None:
    """Refuse to read a GGUF file without the package that reads it.

    Raises:
        MissingExtra: gguf is not installed.
    """
    if find_spec("gguf") is None:
        raise MissingExtra("gguf", extra="gguf")


def read_gguf(path: Path) -> tuple[Any, Any, bool]:
    """The same of a GGUF file, whose weights are as they were before they were quantised, but for rounding.

    Raises:
        MissingExtra: gguf is not installed.
        InputError: It is not a model that can be loaded.
    """
    import transformers

    need_gguf()
    where = {"gguf_file": path.name, "local_files_only": True}
    # it tells of its progress on a bar of its own
    with loading(path), contextlib.redirect_stderr(io.StringIO()):
        tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, **where)
        read = transformers.AutoModel.from_pretrained(path.parent, dtype=torch.float32, **where)
        # what was read says that it is quantised, and can then not be saved; it is a model like any other
        plain = {name: value for name, value in read.config.to_dict().items() if name != "quantization_config"}
        model = transformers.AutoModel.from_config(type(read.config).from_dict(plain), dtype=torch.float32)
        model.load_state_dict(read.state_dict())
    return model.eval(), tokenizer, is_causal(model)


@contextlib.contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Within: whatever transformers raises is one sentence."""
    try:
        with _quiet():
            yield
    except Exception as error:  # OSError, ValueError, RuntimeError, KeyError, ...
        first = str(error).strip().split("\n")[0].rstrip(".")
        raise InputError(f"is not a model that can be loaded ({first})", file=folder) from error


def is_causal(model: nn.Module) -> bool:
    """Whether a token sees those before it alone."""
    attention = (m for m in model.modules() if hasattr(m, "is_causal"))
    return any(m.is_causal for m in attention)


def give_pad_token(model: Any, tokenizer: Any) -> None:
    """See to it that the tokenizer has a padding token that the model has a vector for.

    Padding is masked, so that any token does. One that marks something already is taken (the end of a text first): a
    token of words that became special would be cut out of words. A tokenizer without any gets one of its own, and the
    table a row for it, zeros. The model's configuration stays as it is: an embedding that knows its padding would no
    longer learn that row, the end of every text.
    """
    rows = model.get_input_embeddings().num_embeddings
    special = ("pad_token", "eos_token", "unk_token", "sep_token", "cls_token", "bos_token", "mask_token")
    for name in special:
        number = getattr(tokenizer, f"{name}_id", None)
        if number is not None and number < rows:
            if name != "pad_token":
                tokenizer.pad_token = getattr(tokenizer, name)
            return
    tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    number = tokenizer.pad_token_id
    if number >= rows:
        # the new row is drawn at random unless it is said otherwise, and then replaced
        with torch.random.fork_rng(devices=[]), torch.no_grad(), _quiet():
            table = model.resize_token_embeddings(number + 1, mean_resizing=False)
            table.weight[rows:] = 0


def merged(model: Any) -> Any:
    """The model itself, or a copy with its LoRA updates merged into the weights."""
    return copy.deepcopy(model).merge_and_unload() if hasattr(model, "merge_and_unload") else model


def write_checkpoint(folder: Path, model: Any, tokenizer: Any) -> None:
    """Write config.json, model.safetensors and the tokenizer's files, LoRA updates merged into the weights.

    Texts are said to be padded at their end, which is what every model and every pooling makes the same vectors of:
    padded at the start, positions that are counted (GPT-2) would shift, and with them weights by position.
    """
    model = merged(model)
    with _quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    # transformers 5 names a class that 4 does not know, and a list where 4 wants a dict
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(config.get("extra_special_tokens"), list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    # transformers 4 would add token types, which GPT-2 takes for words
    config["padding_side"] = "right"
    # how it was loaded here says nothing of it
    config = {name: value for name, value in config.items() if name not in ("is_local", "local_files_only")}
    config.setdefault("model_input_names", list(tokenizer.model_input_names))
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no warnings of transformers: what matters is checked and said by us."""
    from transformers.utils import logging as hf

    verbosity, bars = hf.get_verbosity(), hf.is_progress_bar_enabled()
    hf.set_verbosity(logging.CRITICAL)
    hf.disable_progress_bar()
    try:
        yield
    finally:
        hf.set_verbosity(verbosity)
        if bars:
            hf.enable_progress_bar()
