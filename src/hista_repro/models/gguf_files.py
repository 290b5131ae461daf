"""A GGUF file becomes a model folder: transformers unpacks it once, and the cache keeps what came out.

Packed weights are kept in float16. A weight of four to eight bits is a half-precision scale times a small whole number, plus a
half-precision offset, and the eleven bits of float16 round that far less than the packing has already done. The eight bits of bfloat16
move next-token distributions a hundred times as far, and save nothing: a model may compute in bfloat16 whatever its folder holds. Files
whose matrices are all float32 or all bfloat16 keep that.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from hista_repro.errors import Refused, first_line
from hista_repro.files import cache_home
from hista_repro.models.saving import save_model, without_bars
from hista_repro.progress import announce

if TYPE_CHECKING:
    from gguf import GGUFReader
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_LOSSLESS = {"F32": "float32", "BF16": "bfloat16"}
"""Where all matrices of a file have this type, the folder has that one; otherwise float16."""
_CONTROL = 3
"""The type of a token that is no text, in `tokenizer.ggml.token_type`."""


def gguf_folder(file: Path) -> Path:
    """The folder of the unpacked `file`, found by the digest of its content, however it is called.

    Raises `Refused` where there is no such file, it is no whole GGUF file, transformers does not know its architecture, the package
    `gguf` is missing, or the cache cannot be written.
    """
    try:
        info = file.stat()
        digest = _digest(file.resolve(), info.st_mtime_ns, info.st_size)
    except OSError as error:
        raise Refused(f"cannot read the model file {file}: {error.strerror or error}") from error
    return unpack_once(cache_home() / "models" / f"gguf-{digest[:16]}", str(file), lambda place: place.symlink_to(file.resolve()))


def unpack_once(folder: Path, name: str, put: Callable[[Path], object], dtype: str | None = None) -> Path:
    """`folder`, holding an unpacked model; where it is not there yet it is made, and processes that come meanwhile wait.

    Args:
        folder: where the model is kept. It appears whole or not at all, whatever is killed.
        name: what errors call the model.
        put: called with a path to put the GGUF file at, where it is needed.
        dtype: in which weights are kept; without it the file decides.

    Raises:
        Refused: as `gguf_folder`.
    """
    if (folder / "config.json").is_file():
        return folder
    if find_spec("gguf") is None:
        raise Refused(f"unpacking {name} needs the package gguf: pip install gguf")
    from safetensors import SafetensorError

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not (folder / "config.json").is_file():
                _unpack(folder, name, put, dtype)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Refused(f"cannot keep {name} in {folder} ({reason}); set HISTA_REPRO_CACHE to a writable folder with room") from error
    return folder


def config_options(file: Path) -> dict[str, Any]:
    """What `AutoConfig.from_pretrained` takes for the sizes of a GGUF file, without its weights. Raises `Refused` as `gguf_folder`."""
    if find_spec("gguf") is None:
        raise Refused(f"reading {file} needs the package gguf: pip install gguf")
    _open(file, str(file))
    return {"pretrained_model_name_or_path": file.resolve().parent, "gguf_file": file.name}


@cache
def _digest(file: Path, changed: int, size: int) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _unpack(folder: Path, name: str, put: Callable[[Path], object], dtype: str | None) -> None:
    """All work is done beside `folder`, and what a kill left there is removed; the lock is held."""
    scratch = folder.with_name(f".{folder.name}.unpacking")
    for leftover in (scratch, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    scratch.mkdir()
    try:
        file = scratch / "model.gguf"  # alone in its folder, or transformers would read what lies beside it
        put(file)
        model, tokenizer = _read(file, name, dtype)
        with without_bars():
            save_model(model, tokenizer, scratch / "model")
        os.replace(scratch / "model", folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _open(file: Path, name: str) -> "GGUFReader":
    from gguf import GGUFReader

    with open(file, "rb") as stream:
        begins = stream.read(4)
    if not begins:
        raise Refused(f"{name} is empty; fetch it again")
    if begins != b"GGUF":
        raise Refused(f"{name} is no GGUF file: it begins with {begins!r}, not b'GGUF'")
    try:
        return GGUFReader(file)
    except Exception as error:  # whatever numpy makes of bytes that are not there
        raise Refused(f"{name} is cut off or damaged; fetch it again") from error


def _read(file: Path, name: str, dtype: str | None) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    import torch
    import transformers

    reader = _open(file, name)
    architecture = bytes(_value(reader, "general.architecture", b"")).decode(errors="replace")
    wanted = getattr(torch, dtype or _dtype(reader))
    # transformers 5 may keep packed blocks unless told; transformers 4 always unpacks them
    options = {"quantization_config": transformers.GgufConfig(dequantize=True)} if hasattr(transformers, "GgufConfig") else {}
    where: dict[str, Any] = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    try:
        transformers.AutoConfig.from_pretrained(**where)  # which takes seconds where the rest takes minutes
        announce(f"unpacking {name}, once")
        with _without_warnings():
            tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
            loaded, found = transformers.AutoModelForCausalLM.from_pretrained(**where, dtype=wanted, output_loading_info=True, **options)
    except Exception as error:  # which one depends on what transformers misses
        raise Refused(
            f"transformers {transformers.__version__} cannot unpack {name}, whose architecture is {architecture!r}: {first_line(error)}"
        ) from error
    if missing := sorted(found["missing_keys"]):
        raise Refused(f"{name} lacks {len(missing)} weights of its architecture {architecture!r}, {missing[0]} among them")
    # what was opened from GGUF refuses to be saved, so its weights go into a plain model
    if hasattr(loaded.config, "quantization_config"):
        del loaded.config.quantization_config
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(loaded.config)
    weights = loaded.state_dict()
    for key, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise Refused(f"{name} holds weights in {key} that are not finite in {wanted}; no model can be made of it")
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    _complete_tokenizer(tokenizer, reader)
    _complete_ends(model, tokenizer, reader)
    return model, tokenizer


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Without what transformers says of weights that are missing, which are refused here."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with without_bars():
            yield
    finally:
        logging.set_verbosity(verbosity)


def _complete_tokenizer(tokenizer: "PreTrainedTokenizerBase", reader: "GGUFReader") -> None:
    """What transformers leaves out: nothing goes before a text where the file says so; Qwen composes characters and has no first token."""
    from tokenizers.normalizers import NFC
    from tokenizers.processors import ByteLevel

    bytewise = bytes(_value(reader, "tokenizer.ggml.model", b"")) == b"gpt2"
    if bytewise and not _value(reader, "tokenizer.ggml.add_bos_token", [True])[0]:
        tokenizer.backend_tokenizer.post_processor = ByteLevel(trim_offsets=False)
    if bytes(_value(reader, "tokenizer.ggml.pre", b"")) == b"qwen2":
        tokenizer.backend_tokenizer.normalizer = NFC()
        tokenizer.bos_token = None


def _complete_ends(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", reader: "GGUFReader") -> None:
    """A completion ends at the end of a turn and at the token that pads, too, as the published configurations say; a file names one."""
    from transformers import GenerationConfig

    kinds = reader.get_field("tokenizer.ggml.token_type")
    ends = {tokenizer.eos_token_id, int(_value(reader, "tokenizer.ggml.eot_token_id", [-1])[0])}
    if (pad := tokenizer.pad_token_id) is not None and kinds and int(kinds.parts[kinds.data[pad]][0]) == _CONTROL:
        ends.add(pad)
    ends -= {None, -1}
    if len(ends) > 1:
        model.generation_config = GenerationConfig(
            bos_token_id=model.config.bos_token_id, eos_token_id=sorted(ends), pad_token_id=tokenizer.pad_token_id
        )


def _dtype(reader: "GGUFReader") -> str:
    types = {tensor.tensor_type.name for tensor in reader.tensors if len(tensor.shape) > 1}
    return _LOSSLESS.get(*types, "float16") if len(types) == 1 else "float16"


def _value(reader: "GGUFReader", key: str, default: Any) -> Any:
    """The single value of a field as an array of numpy, of bytes for text."""
    field = reader.get_field(key)
    return default if field is None else field.parts[field.data[0]]
