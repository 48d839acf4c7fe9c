from __future__ import annotations

from netra.errors import InsufficientData, InvalidInput, NetraError, Problem


def test_the_docstring_is_the_default_message() -> None:
    assert str(InvalidInput()) == "The request cannot be understood as it stands."


def test_every_error_has_a_message_a_status_and_a_slug() -> None:
    def tree(error: type[NetraError]) -> list[type[NetraError]]:
        return [error, *(e for sub in error.__subclasses__() for e in tree(sub))]

    for error in tree(NetraError):
        assert error.__doc__
        assert 400 <= error.status < 600
        assert error.slug


def test_problems_say_what_where_and_what_to_do() -> None:
    problem = Problem(where="stages[1].agent", problem="unknown agent", got="x", expected="noop")
    assert str(InvalidInput("no", [problem])) == (
        "no\n  stages[1].agent: unknown agent (got 'x') (expected noop)"
    )


def test_insufficient_data_names_its_needs() -> None:
    assert InsufficientData("cannot", needs=["prefix_hashes"]).needs == ["prefix_hashes"]
