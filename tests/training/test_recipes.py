"""Recipes and settings: what they refuse, and the numbers that follow from them."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unshine.errors import UnshineError
from unshine.networks import tshrnet
from unshine.training.recipes import PAPER, RECIPES, UNSHINE, VARIANTS, ema_decay, learning_rate
from unshine.training.settings import Settings


def settings(**changes) -> Settings:
    return Settings(Path("run"), **({"samples": 64} | changes))


def test_the_rate_warms_up_and_falls():
    rates = [learning_rate(step / 1000, step, warmup=100) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(rates[99], abs=0.03)
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[-1] == pytest.approx(0.01)


def test_the_average_forgets_fast_at_first():
    decays = [ema_decay(step, 0.999) for step in range(1, 20_000)]
    assert decays[0] < 0.2
    assert decays == sorted(decays)
    assert decays[-1] == 0.999


@pytest.mark.parametrize(
    "wrong", [{"samples": None}, {"minutes": 1.0}, {"init": Path("a"), "resume": Path("b")}]
)
def test_contradictory_settings_are_refused(wrong):
    with pytest.raises(UnshineError, match="one of them"):
        settings(**wrong)


def test_there_is_a_recipe_for_every_variant_of_tshrnet():
    assert tuple(VARIANTS) == tshrnet.VARIANTS
    assert all(recipe.variant == variant for variant, recipe in VARIANTS.items())
    with pytest.raises(UnshineError, match="multiple of it"):
        replace(PAPER, size=320)


@pytest.mark.parametrize("recipe", [*RECIPES.values(), *VARIANTS.values()])
@pytest.mark.parametrize("framework", ["torch", "mindspore"])
def test_a_recipe_names_what_its_network_returns(recipe, framework):
    pytest.importorskip(framework)
    recipe = replace(recipe, width=4)
    network = recipe.build(framework, seed=0)
    if framework == "torch":
        import torch

        outputs = network(torch.zeros(1, 3, 256, 256))
        assert outputs._fields == recipe.outputs
    else:
        import mindspore
        import numpy as np

        assert len(network(mindspore.Tensor(np.zeros((1, 3, 256, 256), np.float32)))) == len(
            recipe.outputs
        )


@given(st.integers(1, 40), st.integers(1, 6))
def test_sources_share_a_batch_evenly(batch, count):
    recipe = replace(UNSHINE, batch=batch)
    names = ("procedural", *(f"set{k}" for k in range(count - 1)))
    if count > batch:
        with pytest.raises(UnshineError, match="needs a share"):
            settings(recipe=recipe, data=names)
        return
    counts = [source.count for source in settings(recipe=recipe, data=names).sources]
    assert sum(counts) == batch
    assert max(counts) - min(counts) <= 1


def test_shares_are_given_in_the_order_of_the_sources():
    made = settings(data=("a", "procedural"), pool=Path("p"), photos=Path("f"), share=(1, 2, 4, 1))
    assert [(s.kind, s.count) for s in made.sources] == [
        ("tuples", 1), ("procedural", 2), ("pool", 4), ("photos", 1),
    ]  # fmt: skip
    assert [s.kind for s in settings(pool=Path("p")).sources] == ["pool"]
    assert [s.kind for s in settings().sources] == ["procedural"]
