"""Result files: a paper is a folder, a result a file in it, a claim a value in the file.

Loading runs the file: it is the user's own code, like a test.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from symicl.claims.base import Claim
from symicl.errors import InputError, SymiclError
from symicl.systems.base import SystemFamily

FIELDS = ("paper", "source", "assumes", "tight")
SOURCES = ("abstract", "published", "reconstructed")


@dataclass(frozen=True)
class Paper:
    """A paper's folder: its title (the folder's docstring), its named systems and its claims."""

    id: str
    title: str
    systems: tuple[SystemFamily, ...]
    claims: tuple[Claim, ...]


def proofs_folder() -> Path:
    """The folder of the papers that come with symicl: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "proofs"
    return inside if inside.is_dir() else package.parent / "proofs"


def paper_folders(root: Path | None = None) -> dict[str, Path]:
    """The folders of papers by name."""
    base = root or proofs_folder()
    return {
        folder.name: folder
        for folder in sorted(base.iterdir() if base.is_dir() else ())
        if (folder / "__init__.py").is_file() and not folder.name.startswith("_")
    }


def load_papers(root: Path | None = None) -> tuple[Paper, ...]:
    """All papers. Raises ``InputError`` naming the file that cannot be read as a result file."""
    return tuple(load_paper(folder) for folder in paper_folders(root).values())


def load_paper(folder: Path) -> Paper:
    """One paper's systems and claims."""
    package = _import_package(folder)
    systems: tuple[SystemFamily, ...] = ()
    if (folder / "systems.py").is_file():
        systems = tuple(getattr(_import_member(folder, "systems"), "SYSTEMS", ()))
    claims = tuple(item for path in _result_files(folder) for item in _claims_in(folder, path))
    return Paper(folder.name, (package.__doc__ or folder.name).strip().splitlines()[0].rstrip("."), systems, claims)


def load_systems(folder: Path) -> tuple[SystemFamily, ...]:
    """The named systems of one paper, without its claims."""
    _import_package(folder)
    return tuple(_import_member(folder, "systems").SYSTEMS) if (folder / "systems.py").is_file() else ()


def load_system(name: str) -> SystemFamily:
    """A named system of the papers that come with symicl, such as ``huang2024.balanced``. Raises ``InputError``."""
    folder = paper_folders().get(name.split(".")[0])
    for family in load_systems(folder) if folder is not None else ():
        if family.id == name:
            return family
    raise InputError("there is no such system", where=name, remedy="see `symicl list`")


def load_claims(path: Path) -> tuple[Claim, ...]:
    """The claims of a result file or of a paper's folder outside the package. Raises ``InputError``."""
    if path.is_dir():
        if not (path / "__init__.py").is_file():
            raise InputError("the folder is not a paper", where=str(path), remedy="put an __init__.py in it")
        return load_paper(path).claims
    if path.suffix != ".py" or not path.is_file():
        raise InputError("there is no result file or paper", where=str(path), remedy="see `symicl list`")
    if (path.parent / "__init__.py").is_file():
        _import_package(path.parent)
        return tuple(_claims_in(path.parent, path))
    module = _execute(f"symicl_result_{path.stem}", path, None)
    return tuple(_named_claims(path.stem, path.stem, module))


def _result_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.py")) if path.stem != "systems" and not path.stem.startswith("_")]


def _claims_in(folder: Path, path: Path) -> Iterator[Claim]:
    yield from _named_claims(f"{folder.name}.{path.stem}", path.stem, _import_member(folder, path.stem))


def _named_claims(prefix: str, stem: str, module: ModuleType) -> Iterator[Claim]:
    found = {name: value for name, value in vars(module).items() if isinstance(value, Claim)}
    about = parse_docstring(module.__doc__ or "", str(module.__file__)) if found else {}
    for name, value in found.items():
        yield replace(value, id=prefix if name == stem else f"{prefix}.{name}", about=about)


def parse_docstring(text: str, where: str) -> Mapping[str, str]:
    """The fields of a result file's docstring: ``title`` and then Paper, Source, Assumes, Tight.

    Raises ``InputError`` when there is no docstring, or a source that is none of the three.
    """
    lines = text.strip().splitlines()
    if not lines:
        raise InputError("a result file starts with a docstring that says what is claimed", where=where)
    fields: dict[str, list[str]] = {"title": []}
    current = "title"
    for line in lines:
        head, _, rest = line.strip().partition(" ")
        if head.lower() in FIELDS and not line.startswith(" "):
            current = head.lower()
            fields[current] = [rest.strip()]
        elif line.strip():
            fields[current].append(line.strip())
    about = {name: " ".join(parts) for name, parts in fields.items()}
    source = about.get("source", "").split(":")[0].split(",")[0].strip()
    if source not in SOURCES:
        raise InputError(
            f"the docstring's Source is {source!r}", where=where, remedy=f"start it with one of {', '.join(SOURCES)}"
        )
    return about


def _package_name(folder: Path) -> str:
    return f"symicl_proofs_{folder.resolve().parent.name}_{folder.name}".replace("-", "_").replace(".", "_")


def _import_package(folder: Path) -> ModuleType:
    return _execute(_package_name(folder), folder / "__init__.py", folder)


def _import_member(folder: Path, stem: str) -> ModuleType:
    return _execute(f"{_package_name(folder)}.{stem}", folder / f"{stem}.py", None)


def _execute(name: str, path: Path, package: Path | None) -> ModuleType:
    """Import a file under a name of our own, so that its relative imports work wherever it lies."""
    path = path.resolve()
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    locations = [str(package.resolve())] if package is not None else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=locations)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout belongs to the answer
            spec.loader.exec_module(module)
    except SymiclError as error:
        del sys.modules[name]
        raise InputError(f"{error.problem}", where=f"{path}: {error.where}", remedy=error.remedy) from error
    except Exception as error:
        del sys.modules[name]
        raise InputError(
            f"{type(error).__name__}: {error}", where=str(path), remedy="the file has to import without errors"
        ) from error
    return module
