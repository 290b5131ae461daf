"""Whether a folder holds what is asked for: the manifest that every build, training run and evaluation begins with."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from hista_repro.errors import Refused
from hista_repro.files import read_json

Config = dict[str, Any]


def manifest_of_same(
    folder: Path,
    identity: dict[str, Any],
    kind: str,
    *,
    complete: Callable[[Config], Config] = dict,
    apart_from: Collection[str] = (),
    follow: Collection[str] = (),
) -> dict[str, Any] | None:
    """The manifest of what was begun in `folder` if it is what `identity` says; None where nothing was begun.

    `identity` holds the settings as `config`, and whatever else tells one from another. Settings that earlier source did not have are
    completed by `complete`, and what it did not note beside them is not held against it. Names in `apart_from` may differ; those that
    `follow` from others are reported only where nothing else differs. Raises `Refused`, naming what differs, for another of its `kind`
    ("a build"), and for a folder of other things: one without a manifest, or with settings that `config` does not have. Hidden files, such
    as locks and what a kill left of a file that was being written, are no such things.
    """
    manifest = _manifest_in(folder)
    if manifest is None:
        if folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise Refused(f"{folder} is not empty and does not hold {kind}; choose another folder")
        return None
    if foreign := sorted(manifest["config"].keys() - identity["config"].keys()):
        raise Refused(f"{folder} does not hold {kind}, which has no setting {foreign[0]!r}; choose another folder")
    noted = identity.keys() & manifest.keys() - {"config"}
    try:
        there, asked = ({**complete(side["config"]), **{name: side[name] for name in noted}} for side in (manifest, identity))
    except Refused as error:
        raise Refused(f"{folder} holds {kind} that cannot be asked for here: {error}; choose another folder") from None
    differing = [name for name in sorted(asked) if name not in apart_from and there.get(name) != asked[name]]
    if differing := [name for name in differing if name not in follow] or differing:
        changes = ", ".join(f"{name} (there {there.get(name)!r}, asked {asked[name]!r})" for name in differing)
        raise Refused(f"{folder} holds {kind} with another configuration: {changes}; choose another folder")
    return manifest


def is_done(manifest: dict[str, Any] | None) -> bool:
    """Whether what was begun is finished; what was not begun is not."""
    return manifest is not None and manifest["status"] == "done"


def _manifest_in(folder: Path) -> dict[str, Any] | None:
    """The manifest of `folder`, None where it has none or a file of another form."""
    path = folder / "manifest.json"
    try:
        manifest = read_json(path) if path.is_file() else None
    except ValueError:
        return None
    match manifest:
        case {"config": dict(), "status": str()}:
            return manifest
    return None
