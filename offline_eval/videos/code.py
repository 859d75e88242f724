"""Which code decides what is said of a window: Vigil's version, and a digest of the sources, which may be edited."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

# What decodes, samples and judges. What is done with answers afterwards may change without harm to a store.
_DECIDES = ("engine", "stream.openai", "stream.session", "stream.sources", "stream.rings", "stream.timing")
_DECIDES_HERE = ("offline_eval.videos", "offline_eval.methods.corevad", "offline_eval.methods.vera")


@cache
def code_version() -> str:
    """Such as "0.4.0, code 3f9a0c51d2e7"."""
    digest = sha256()
    for name in (*_DECIDES, *_DECIDES_HERE):
        for path in _files(name):
            digest.update(f"{name} {path.name} ".encode() + path.read_bytes())
    return f"{version('vigil-vad')}, code {digest.hexdigest()[:12]}"


def _files(module: str) -> list[Path]:
    """Those of a module, or of a package and all that is in it, in an order that is always the same."""
    spec = find_spec(module)
    assert spec is not None, module
    if spec.submodule_search_locations is None:
        return [Path(spec.origin or "")]
    (folder,) = spec.submodule_search_locations
    found = (path for path in Path(folder).rglob("*") if path.is_file() and path.suffix not in (".pyc", ".pyi"))
    return sorted(path for path in found if "__pycache__" not in path.parts)
