"""Each package exports what it re-exports explicitly (`X as X`), and every public name is documented."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import hizumi

PACKAGES = ["hizumi", *(module.name for module in pkgutil.iter_modules(hizumi.__path__, "hizumi.") if module.ispkg)]


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def exported(package: ModuleType) -> set[str]:
    """Names that are imported under their own name, loaded lazily or not, and those that the package defines."""
    assert package.__file__ is not None
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    names = {alias.name for node in imports for alias in node.names if alias.asname == alias.name}
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assigned = {ast.unparse(node.targets[0]) for node in tree.body if isinstance(node, ast.Assign)}
    return names | {name for name in defined | assigned if name.isidentifier() and not name.startswith("_")}


def test_what_is_exported_is_what_is_visible(package: ModuleType) -> None:
    public = {name for name, value in vars(package).items() if not isinstance(value, ModuleType)}
    assert {name for name in public if not name.startswith("_")} <= exported(package)
    for name in exported(package):
        getattr(package, name)  # found, loaded lazily or not
    if "_typing" in vars(package):  # loaded lazily: both lists name the same
        assert set(dir(package)) == exported(package)


def test_public_names_are_documented(package: ModuleType) -> None:
    assert inspect.getdoc(package)
    undocumented = []
    for name in exported(package):
        value = getattr(package, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            text = value.__doc__ or ""
            # Data classes and named tuples without a docstring are given their signature as one.
            if not text.strip() or text.startswith(f"{name}("):
                undocumented.append(name)
    assert not undocumented
