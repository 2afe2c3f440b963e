"""Modules that a library imports at its top and uses seldom: they are imported when that happens."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType


@contextmanager
def put_off(functions: dict[str, str]) -> Iterator[None]:
    """For what is imported in the block, let a stand-in take the place of each module.

    `functions` are the modules, each with the one function that is used of it. The first call imports the module.
    """
    stand_ins = {name: _stand_in(name, function) for name, function in functions.items() if name not in sys.modules}
    sys.modules |= stand_ins
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _stand_in(name: str, function: str) -> ModuleType:
    def call(*arguments, **options):
        return getattr(import_module(name), function)(*arguments, **options)

    module = ModuleType(name)
    setattr(module, function, call)
    return module
