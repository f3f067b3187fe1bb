"""`unshine train`: train a network, on tuples made during training or on a dataset.

The options are the fields of `Settings` and `Recipe`, which say what each means.
"""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, replace
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal, get_args, get_type_hints

import typer

from unshine.cli.extras import needs
from unshine.training.recipes import RECIPES, VARIANTS, Recipe
from unshine.training.settings import Settings

FLAGS = {"output": ("-o", "--out")}
"""Options that are not called as their fields are."""


def train(backend: str, recipe: str, variant: str | None, **given: Any) -> None:
    """Train a network; under torchrun or msrun on several processes."""
    if variant and recipe != "paper":
        raise typer.BadParameter("only the recipe paper has variants.")
    with needs("train" if backend == "torch" else "mindspore"):
        chosen = VARIANTS[variant] if variant else RECIPES[recipe]
        own = [field.name for field in _described(Recipe)]
        changes = {name: given.pop(name) for name in own}
        given = {name: tuple(x) if isinstance(x, list) else x for name, x in given.items()}
        chosen = replace(chosen, **{name: x for name, x in changes.items() if x is not None})
        settings = Settings(recipe=chosen, **given)
        if backend == "torch":
            from unshine.training import torch

            weights = torch.train(settings)
        else:
            from unshine.training import mindspore

            weights = mindspore.train(settings)
    typer.echo(f"The weights are in {weights}.")


def _parameters() -> Iterator[Parameter]:
    """Make the verb's parameters; typer makes an option of each."""
    for field in _described(Settings):
        yield _parameter(field, Settings, field.default, field.metadata["help"])
    yield _choice("backend", ("torch", "mindspore"), "torch", "Which framework trains.")
    yield _choice("recipe", RECIPES, "unshine", "Our network, or TSHRNet as published.")
    yield _choice("variant", VARIANTS, None, "TSHRNet's; mixed does without albedo and shading.")
    for field in _described(Recipe):
        values = [f"{name} {getattr(one, field.name):g}" for name, one in RECIPES.items()]
        words = f"{field.metadata['help']}; {', '.join(values)}"
        yield _parameter(field, Recipe, None, words)


def _described(kind: type) -> list[Field[Any]]:
    return [field for field in fields(kind) if "help" in field.metadata]


def _choice(name: str, choices: Any, default: str | None, words: str) -> Parameter:
    annotation: Any = Annotated[Literal[*choices], typer.Option(help=words)]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _parameter(field: Field[Any], owner: type, default: Any, words: str) -> Parameter:
    kind: Any = get_type_hints(owner)[field.name]
    if default == ():
        kind, default = list[get_args(kind)[0]], []  # type: ignore[misc]
    name = field.name.replace("_", "-")
    flags = FLAGS.get(field.name, (f"--{name}/--no-{name}" if kind is bool else f"--{name}",))
    option = typer.Option(*flags, help=f"{words}.", **field.metadata["limits"])
    return Parameter(
        field.name,
        Parameter.KEYWORD_ONLY,
        default=Parameter.empty if default is MISSING else default,
        annotation=Annotated[kind, option],
    )


train.__dict__["__signature__"] = Signature(list(_parameters()))
train.__annotations__ = {
    name: x.annotation for name, x in Signature.from_callable(train).parameters.items()
}
