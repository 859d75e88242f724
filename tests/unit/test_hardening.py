"""No configuration can make Vigil run something: what could is found in the code itself, and named here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from pydantic import SecretStr

from stream.config.fields import Address, Broker, Hook, HostPort, PictureSize
from stream.config.models import WatchConfig
from stream.config.section import Section, sections_of

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "stream", "offline_eval")

RUNS_CODE = re.compile(
    r"(builtins\.)?(eval|exec|compile|__import__|input)"
    r"|importlib\.(import_module|reload|util\.spec_from_file_location|machinery\..*)|runpy\..*|code\..*|codeop\..*"
    r"|(cPickle|_?pickle|marshal|shelve|dill|cloudpickle|joblib|ctypes|cffi|pty)(\..*)?"
    r"|(torch|joblib)\.(load|hub\..*|jit\.load)|torch\.package\..*"
    r"|yaml\.(load|load_all|full_load.*|unsafe_load.*|FullLoader|UnsafeLoader|Loader|CLoader)"
    r"|os\.(system|popen|exec.*|spawn.*|posix_spawn.*|fork|startfile)|subprocess(\..*)?|multiprocessing(\..*)?"
    r"|asyncio\.(create_subprocess_.*|subprocess.*)|webbrowser(\..*)?|xml\..*|lxml(\..*)?|tempfile\.mktemp"
)
ALLOWED = {
    "stream/cli/demo.py": "subprocess: `vigil demo` starts `vigil listen`, with Python's own path",
    "stream/doctor/asking.py": "subprocess: `vigil doctor` asks nvidia-smi and others, by names of its own",
    "offline_eval/videos/ray_pool.py": "importlib: whether `ray` is installed",
}


def files() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def names_in(tree: ast.AST) -> Iterator[str]:
    """Every dotted name that is used or imported, whole."""
    inner: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Attribute() | ast.Name() if id(node) not in inner:
                parts: list[str] = []
                while isinstance(node, ast.Attribute):
                    parts.append(node.attr)
                    node = node.value
                    inner.add(id(node))
                if isinstance(node, ast.Name):
                    yield ".".join([node.id, *reversed(parts)])


def test_nothing_that_runs_code_or_programs_is_used_but_where_it_is_allowed() -> None:
    found = {
        str(path.relative_to(ROOT)): sorted(
            {name for name in names_in(ast.parse(path.read_text(encoding="utf-8"))) if RUNS_CODE.fullmatch(name)}
        )
        for path in files()
    }
    found = {path: names for path, names in found.items() if names}
    assert {path: names for path, names in found.items() if path not in ALLOWED} == {}
    assert found.keys() == ALLOWED.keys(), "what is not there any more need not be allowed"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", True),
        ("from subprocess import run", True),
        ("import os\nos.system('x')", True),
        ("import torch\ntorch.load('x')", True),
        ("import yaml\nyaml.load('x')", True),
        ("eval('1')", True),
        ("model.eval()", False),
        ("re.compile('x')", False),
        ("yaml.parse('x', Loader=yaml.SafeLoader)", False),
        ("from importlib.metadata import version", False),
    ],
)
def test_the_search_finds_what_it_should(source: str, found: bool) -> None:
    assert any(RUNS_CODE.fullmatch(name) for name in names_in(ast.parse(source))) is found


def test_no_code_of_a_model_is_trusted_no_array_is_a_pickle_and_no_shell_is_used() -> None:
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "shell", "allow_pickle"):
                assert ast.unparse(node.value) == "False", f"{path}: {node.arg}"


def sections(section: type[Section]) -> Iterator[type[Section]]:
    yield section
    for field in section.model_fields.values():
        for inner in sections_of(field.annotation):
            yield from sections(inner)


def leaves(annotation: Any) -> Iterator[Any]:
    """The types that a field's values can be made of."""
    if get_origin(annotation) is Literal:
        return
    inner = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    if not inner:
        yield annotation
    for each in inner:
        yield from leaves(each)


PLAIN = {str, int, float, bool, Path, SecretStr, Address, Hook, Broker, HostPort, PictureSize, type(None), Ellipsis}
TELLING = re.compile(r"command|exec|shell|script|module|class|import|plugin|hook_?cmd|python|entry|callable|loader")


def test_a_configuration_is_data_and_no_key_names_a_program_or_a_module() -> None:
    for section in set(sections(WatchConfig)):
        for name, field in section.model_fields.items():
            assert not TELLING.search(name), f"{section.__name__}.{name}"
            strange = {
                leaf
                for leaf in leaves(field.annotation)
                if leaf not in PLAIN and not (isinstance(leaf, type) and issubclass(leaf, Section))
            }
            assert not strange, f"{section.__name__}.{name}"
