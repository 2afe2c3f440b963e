"""What the tests of strange surroundings share."""

from collections.abc import Callable

import pytest


@pytest.fixture
def prefer() -> Callable[..., None]:
    """Return a function that sets what the sessions of `owner` in a database begin with."""

    def set_each(database, **settings: str) -> None:
        for name, value in settings.items():
            database.execute(f"ALTER ROLE owner IN DATABASE {database.name} SET {name} = {value}", user="postgres")

    return set_each
