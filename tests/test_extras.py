import sys

import pytest

from unshine import extras
from unshine.errors import UnshineError


def test_a_missing_library_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(UnshineError, match=r'^tifffile is missing; .*"unshine\[formats\]"$'):
        extras.load("tifffile", "formats")


def test_what_is_there_is_imported() -> None:
    assert extras.load("json", "formats").dumps(1) == "1"


def test_our_own_mistakes_are_not_missing_extras() -> None:
    with pytest.raises(ModuleNotFoundError, match="nonsense"):
        extras.load("unshine.nonsense", "formats")
