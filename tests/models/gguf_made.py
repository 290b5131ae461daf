"""Small GGUF files, written on the fly, and packages that hold pieces of them."""

import base64
import hashlib
from pathlib import Path

import numpy as np

WORDS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *"abcdefghijklmnopqrstuvwxyz0123456789", "Ġ", "Ċ", ".", "?", "ab"]
CHAT = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
WIDTH, LAYERS = 32, 2


def write_gguf(path: Path, *, architecture: str = "qwen2", without: str = "", scale: float = 1.0, packed: bool = False) -> Path:
    """A random Qwen2 of two layers over single characters, with the special tokens of Qwen2.5.

    Args:
        path: where the file is written.
        architecture: what the file says it is.
        without: the name of a tensor that is left out.
        scale: a factor of all matrices.
        packed: whether matrices are packed in four bits (Q4_0) or stay float32.
    """
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    writer = GGUFWriter(path, architecture)
    writer.add_name("Random of two layers")
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(WORDS)
    writer.add_token_types([3] * 3 + [1] * (len(WORDS) - 3))
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_bos_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT)
    random = np.random.default_rng(0)
    shapes = {"token_embd.weight": (len(WORDS), WIDTH), "output_norm.weight": (WIDTH,)}
    for layer in range(LAYERS):
        for name, shape in {
            **{"attn_norm.weight": (WIDTH,), "ffn_norm.weight": (WIDTH,)},
            **{"attn_q.weight": (WIDTH, WIDTH), "attn_k.weight": (16, WIDTH), "attn_v.weight": (16, WIDTH)},
            **{"attn_q.bias": (WIDTH,), "attn_k.bias": (16,), "attn_v.bias": (16,), "attn_output.weight": (WIDTH, WIDTH)},
            **{"ffn_gate.weight": (64, WIDTH), "ffn_up.weight": (64, WIDTH), "ffn_down.weight": (WIDTH, 64)},
        }.items():
            shapes[f"blk.{layer}.{name}"] = shape
    for name, shape in shapes.items():
        if name == without:
            continue
        values = random.normal(size=shape).astype(np.float32) * (scale if len(shape) > 1 else 1)
        if packed and len(shape) > 1:
            kind = GGMLQuantizationType.Q4_0
            writer.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def install(site: Path, package: str, version: str, file: str, content: bytes) -> Path:
    """Lay `content` into the folder `site` as `file` of an installed package, as pip would; the path of the file.

    Importing the package fails: whoever reads it must not.
    """
    module = package.replace("-", "_")
    path = site / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    (site / module).mkdir(exist_ok=True)
    (site / module / "__init__.py").write_text("raise AssertionError('a package that is only read was imported')")
    about = site / f"{module}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    (about / "RECORD").write_text(f"{file},sha256={digest},{len(content)}\n{about.name}/METADATA,,\n")
    return path
