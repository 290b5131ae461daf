import pytest

from hista_repro.errors import Refused
from hista_repro.models import load_model
from hista_repro.models.sizes import head_size, model_config, parameters_of


@pytest.mark.parametrize(
    ("model", "billions"),
    [("Qwen/Qwen2.5-0.5B", 0.494), ("Qwen/Qwen2.5-3B", 3.086), ("Qwen/Qwen2.5-7B", 7.616), ("Qwen/Qwen2.5-14B", 14.77)],
)
def test_the_papers_models_have_the_parameters_that_their_cards_state(model, billions):
    assert parameters_of(model_config(model)) / 1e9 == pytest.approx(billions, abs=0.001)


def test_parameters_are_those_of_a_model():
    network = load_model("tiny")[0]
    assert parameters_of(model_config("tiny")) == sum(parameter.numel() for parameter in network.parameters())
    assert parameters_of(model_config(str(network.name_or_path))) == parameters_of(model_config("tiny"))


@pytest.mark.parametrize(("model", "size"), [("Qwen/Qwen2.5-14B", 128), ("Qwen/Qwen3-0.6B-Base", 128), ("Qwen/Qwen2.5-0.5B", 64)])
def test_a_head_has_the_width_that_is_stated_or_follows(model, size):
    assert head_size(model_config(model)) == size


def test_a_model_that_is_not_known_is_refused_without_asking_the_hub():
    with pytest.raises(Refused, match=r"no plan can be made for the model 'Qwen/Qwen2\.5-15B', .* did you mean 'Qwen/Qwen2\.5-1\.5B'"):
        model_config("Qwen/Qwen2.5-15B")
