import pytest
import torch

from hista_repro.rollouts.engines import DTYPES, make_engine, make_reader
from hista_repro.rollouts.transformers_engine import TransformersEngine


def test_the_transformers_engine_is_also_the_reader():
    engine = make_engine("transformers", "tiny", dtype="float32", batch_tokens=512)
    reader = make_reader("tiny", dtype="float32", batch_tokens=512)
    assert type(engine) is type(reader) is TransformersEngine
    assert engine.batch_tokens == reader.batch_tokens == 512


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_model_has_the_dtype_that_is_named(dtype):
    assert make_engine("transformers", "tiny", dtype=dtype, batch_tokens=512).model.dtype == getattr(torch, dtype)


def test_vllm_makes_batches_of_its_own(monkeypatch):
    monkeypatch.setattr("hista_repro.rollouts.vllm_engine.VllmEngine", lambda *asked, **options: (asked, options))
    assert make_engine("vllm", "tiny", dtype="bfloat16", batch_tokens=512) == (("tiny",), {"dtype": "bfloat16"})


def test_an_engine_that_does_not_exist():
    with pytest.raises(ValueError, match="name must be one of transformers, vllm, served, not 'magic'"):
        make_engine("magic", "tiny", dtype="float32", batch_tokens=512)
