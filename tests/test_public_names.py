"""Each package exports exactly what `__all__` says, and every public name is documented. Order is ruff's (RUF022)."""

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import hizumi

PACKAGES = ["hizumi", *(module.name for module in pkgutil.iter_modules(hizumi.__path__, "hizumi.") if module.ispkg)]


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_all_is_what_is_visible(package: ModuleType) -> None:
    visible = {
        name for name, value in vars(package).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert len(package.__all__) == len(set(package.__all__))
    assert visible <= set(package.__all__)
    for name in package.__all__:
        getattr(package, name)  # found, loaded lazily or not


def test_public_names_are_documented(package: ModuleType) -> None:
    assert inspect.getdoc(package)
    undocumented = []
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            text = value.__doc__ or ""
            # Data classes and named tuples without a docstring are given their signature as one.
            if not text.strip() or text.startswith(f"{name}("):
                undocumented.append(name)
    assert not undocumented
