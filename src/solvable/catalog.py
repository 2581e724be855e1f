"""What there is: the cards of every brick, model and gallery figure, read without running them.

Each of those files holds a literal ``CARD = dict(name=..., kind=..., ...)``. The catalogue reads
it from the text, so that listing costs no import of JAX, and imports a file only when `load` asks
for what it defines. Bricks from elsewhere come by the entry-point group ``solvable.bricks`` or by
`load_file`. This module imports nothing of the package.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

KINDS = (
    "model",
    "prior",
    "vector prior",
    "generative prior",
    "channel",
    "matrix channel",
    "spectrum",
    "layer",
    "activation",
    "inputs",
    "gallery",
)
# from the strongest to the weakest
RIGOURS = ("theorem", "replica", "conjecture", "numerical")
GROUP = "solvable.bricks"
_FOLDERS = (
    "bricks",
    "bricks/priors",
    "bricks/channels",
    "bricks/matrix_channels",
    "bricks/spectra",
    "bricks/activations",
    "bricks/inputs",
    "models",
    "gallery",
)
_CARD = re.compile(r"^CARD\b[^=\n]*=\s*dict\(.*?^\)$|^CARD\b[^=\n]*=\s*dict\(.*?\)$", re.M | re.S)
_BASES = {
    "Prior": "prior",
    "AdditiveNoise": "matrix channel",
    "MatrixChannel": "matrix channel",
    "Channel": "channel",
    "Spectrum": "spectrum",
    "Inputs": "inputs",
    "Model": "model",
}
# What a user's file may raise while it is imported.
_USER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Entry:
    """One card: what it is called, what it is, and where it lives."""

    name: str
    kind: str
    summary: str
    module: str
    path: str
    parameters: dict[str, str] = field(default_factory=dict)
    observables: list[str] = field(default_factory=list)
    thresholds: list[str] = field(default_factory=list)
    rigour: str = "numerical"
    references: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The card as plain data, for JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "summary": self.summary,
            "parameters": dict(self.parameters),
            "observables": list(self.observables),
            "thresholds": list(self.thresholds),
            "rigour": self.rigour,
            "references": list(self.references),
        }


_added: dict[str, Entry] = {}
_cache: dict[str, Entry] | None = None


def entries(kind: str | None = None) -> dict[str, Entry]:
    """All cards by name, or those of one kind, in the order of kinds and then names."""
    global _cache  # the package's files do not change while it runs; a user's may be added
    if _cache is None:
        own = {entry.name: entry for entry in _own_entries()}
        for entry in _entry_point_entries():
            own.setdefault(entry.name, entry)
        _cache = own
    found = {**_cache, **_added}
    ordered = sorted(found.values(), key=lambda entry: (KINDS.index(entry.kind), entry.name))
    return {entry.name: entry for entry in ordered if kind is None or entry.kind == kind}


def names(kind: str | None = None) -> list[str]:
    """The names a specification may use: every kind but the gallery's, or those of one kind."""
    return [
        name
        for name, entry in entries(kind).items()
        if kind is not None or entry.kind != "gallery"
    ]


def entry(name: str, kind: str | None = None) -> Entry:
    """The card called `name`; ValueError with the nearest name where there is none."""
    found = entries(kind)
    if name in found:
        return found[name]
    what = kind or "model, prior or channel"
    raise ValueError(f"There is no {what} called `{name}`{suggestion(name, found)}.")


def weakest(names: Iterable[str]) -> str:
    """The weakest rigour on the cards of these names: what is made of them can claim no more.

    Names without a card of their own make no claim.

    Raises:
        ValueError: if none has a card.
    """
    known = entries()
    found = {known[n].rigour for n in names if n in known and known[n].extra.get("card", True)}
    if not found:
        raise ValueError("Argument `names` must hold a name with a card, but held none.")
    return max(found, key=RIGOURS.index)


def load(name: str) -> Any:
    """The class that the card called `name` describes; its module is imported now."""
    found = entry(name)
    return getattr(module_of(found), found.name)


def module_of(found: Entry) -> ModuleType:
    """The module that an entry's card stands in, imported."""
    if found.module in sys.modules or not found.extra.get("by_file"):
        return importlib.import_module(found.module)
    return _import_file(found.module, Path(found.path))


def nearest(name: str, candidates: Iterable[str] | None = None) -> str | None:
    """The candidate most like `name` (capitals aside), or None if none is close."""
    by_fold: dict[str, str] = {}
    for candidate in names() if candidates is None else candidates:
        by_fold.setdefault(candidate.lower(), candidate)
    close = difflib.get_close_matches(name.lower(), list(by_fold), n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


def suggestion(name: str, candidates: Iterable[str]) -> str:
    """The half sentence that ends an error: the nearest name, or what there is instead."""
    candidates = list(candidates)
    close = nearest(name, candidates)
    if close is not None:
        return f"; the nearest is `{close}`"
    if not candidates:
        return "; there are none"
    if len(candidates) > 12:
        return "; `solvable list` shows what there is"
    return "; there are " + ", ".join(f"`{candidate}`" for candidate in candidates)


def load_file(path: str | Path) -> list[Entry]:
    """Add the bricks and models of a Python file, which is trusted as any program one runs.

    Its cards are read from the text; a class that inherits from ``...Prior``, ``...Channel`` or
    ``...Model`` and has no card gets a plain one. The file is imported now: its errors show here.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"Argument `load` must be an existing Python file, but was `{path}`.")
    module = "solvable_user_" + re.sub(r"\W", "_", path.stem)
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, OSError) as error:
        raise ValueError(
            f"Argument `load` must be a readable Python file, but `{path}` is not: {error}."
        ) from None
    found = {item.name: item for item in _class_entries(tree, module, path)}
    found.update({item.name: item for item in _card_entries(path, module)})
    if not found:
        raise ValueError(
            f"Argument `load` must be a file that defines a prior, channel or model, "
            f"but `{path}` defines none."
        )
    taken = sorted(set(found) & set(entries()) - set(_added))
    if taken:
        raise ValueError(
            f"Argument `load` must define new names, but `{taken[0]}` of `{path}` exists already."
        )
    try:
        _import_file(module, path)
    except _USER_ERRORS as error:
        raise ValueError(
            f"Argument `load` must be a file that runs, but `{path}` raised "
            f"{type(error).__name__}: {error}."
        ) from error
    _added.update(found)
    return list(found.values())


def _import_file(module: str, path: Path) -> ModuleType:
    """Import a file that is on no search path, under a given module name."""
    spec = importlib.util.spec_from_file_location(module, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"Argument `load` must be a Python file (.py), but was `{path}`.")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module] = loaded
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[module]
        raise
    return loaded


def _own_entries() -> Iterator[Entry]:
    """The cards of the package's own files."""
    root = Path(__file__).parent
    for folder in _FOLDERS:
        for path in sorted((root / folder).glob("*.py")):
            module = f"solvable.{folder.replace('/', '.')}.{path.stem}"
            yield from _card_entries(path, module, extra={})


def _entry_point_entries() -> Iterator[Entry]:
    """The cards of installed packages that name their modules in the group `solvable.bricks`."""
    for point in importlib.metadata.entry_points(group=GROUP):
        module = point.value.partition(":")[0].strip()
        path = _source_of(module)
        if path is not None:
            yield from _card_entries(path, module, extra={})


def _source_of(module: str) -> Path | None:
    """A module's file, found without importing the packages that it lies in."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or [])
    if not rest:
        return Path(spec.origin) if spec.origin else None
    for folder in folders:
        base = Path(folder).joinpath(*rest)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


def _card_entries(path: Path, module: str, extra: dict[str, Any] | None = None) -> Iterator[Entry]:
    """The entries of a file's literal cards; `extra` None marks a file imported by its path."""
    for match in _CARD.finditer(path.read_text(encoding="utf-8")):
        yield _entry_of(_literal(match.group(), path), module, path, extra)


def _literal(text: str, path: Path) -> dict[str, Any]:
    """The dictionary that ``CARD = dict(...)`` writes, without evaluating anything."""
    try:
        (statement,) = ast.parse(text).body
        call = getattr(statement, "value", None)
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError("it is not a call of dict with keywords")
        return {
            word.arg: ast.literal_eval(word.value)
            for word in call.keywords
            if word.arg is not None
        }
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"The card of `{path}` must be a literal dict(...): {error}.") from None


def _entry_of(
    card: dict[str, Any], module: str, path: Path, extra: dict[str, Any] | None
) -> Entry:
    """An entry from a card, whose name, kind, rigour and summary are checked here."""
    for key in ("name", "kind", "summary"):
        if not isinstance(card.get(key), str):
            raise ValueError(f"The card of `{path}` must have a text `{key}`.")
    for key, allowed in (("kind", KINDS), ("rigour", RIGOURS)):
        if card.get(key, "numerical" if key == "rigour" else None) not in allowed:
            raise ValueError(
                f"The card of `{path}` must have a `{key}` among {', '.join(allowed)}, "
                f"but it was {card.get(key)!r}."
            )
    known = {key: card[key] for key in card if key in Entry.__dataclass_fields__}
    rest = {key: card[key] for key in card if key not in known}
    known["extra"] = {"by_file": True, **rest} if extra is None else {**extra, **rest}
    return Entry(**{**known, "module": module, "path": str(path)})


def _class_entries(tree: ast.Module, module: str, path: Path) -> Iterator[Entry]:
    """Plain entries for the classes of a user's file that inherit from a brick or model."""
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith(("_", "Abstract")):
            continue
        bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
        kinds = [kind for base in bases for end, kind in _BASES.items() if base.endswith(end)]
        if kinds:
            summary = (ast.get_docstring(node) or node.name).partition("\n")[0]
            yield Entry(
                name=node.name,
                kind=kinds[0],
                summary=summary,
                module=module,
                path=str(path),
                extra={"by_file": True, "card": False},
            )
