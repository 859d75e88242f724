"""Where a model's files are: a folder, or the Hugging Face hub's cache, filled when needed.

Knows which files a checkpoint needs, and nothing of what is in them. Never fetches code or pickles. Needs the `vlm`
extra for anything but a folder.
"""

from __future__ import annotations

import errno
import logging
import re
from pathlib import Path

from engine.errors import CheckpointError, UsageError
from engine.internvl2.files import missing_files, one_line

_WANTED = ["*.safetensors", "*.json", "tokenizer.model", "merges.txt"]
_HUB_ID = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w[\w./-]*))?", re.ASCII)

_log = logging.getLogger(__name__)


def find_model(model: str) -> Path:
    """The folder with the files of `model`: a folder, or a hub id such as `OpenGVLab/InternVL2-8B@main`.

    What the hub's cache holds in full is used as it is, without asking the network whether there is something newer:
    a model changes only when another revision is asked for. The hub's own settings (HF_HOME, HF_TOKEN,
    HF_HUB_OFFLINE) hold. Raises UsageError for what is neither, CheckpointError when files can't be had.
    """
    folder = Path(model).expanduser()
    if model and folder.is_dir():
        return folder
    parsed = _HUB_ID.fullmatch(model)
    if not parsed:
        raise UsageError(
            f"{model!r} is no folder and no model of the Hugging Face hub",
            advice="give a folder, or an id such as OpenGVLab/InternVL2-8B, if need be with @revision",
        )
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed", advice="pip install -e '.[vlm]' in Vigil's folder"
        ) from error

    repo, revision = parsed["repo"], parsed["revision"]
    try:
        cached = huggingface_hub.snapshot_download(
            repo, revision=revision, allow_patterns=_WANTED, local_files_only=True
        )
        if not missing_files(Path(cached)):
            return Path(cached)
    except huggingface_hub.errors.LocalEntryNotFoundError:
        pass
    _log.info("fetching %s from the Hugging Face hub into %s", model, huggingface_hub.constants.HF_HUB_CACHE)
    try:
        fetched = Path(huggingface_hub.snapshot_download(repo, revision=revision, allow_patterns=_WANTED))
    except Exception as error:  # whichever of the hub's, its HTTP library's or the system's
        raise _explained(error, model) from error
    if missing := missing_files(fetched):
        raise CheckpointError(
            f"{model} came without {', '.join(missing)}",
            advice="check that it is an original InternVL2 checkpoint with safetensors files, and the network",
        )
    return fetched


def _explained(error: Exception, model: str) -> CheckpointError:
    from huggingface_hub import constants, errors

    match error:
        case errors.GatedRepoError():
            what, advice = "is open only to those who accepted its terms", "accept them on its page and set HF_TOKEN"
        case errors.RevisionNotFoundError():
            what, advice = "has no such revision", "check what follows the @"
        case errors.RepositoryNotFoundError():
            what = "is neither a folder here nor a model of the hub"
            advice = "check the name; for a private model set HF_TOKEN"
        case errors.OfflineModeIsEnabled() | errors.LocalEntryNotFoundError() if constants.HF_HUB_OFFLINE:
            what, advice = "is not in the cache, and HF_HUB_OFFLINE forbids to fetch it", "fetch it once with a network"
        case errors.LocalEntryNotFoundError():
            what = "is not in the cache, and the Hugging Face hub can't be reached"
            advice = "check the network, or copy the model's folder here and give its path"
        case errors.HfHubHTTPError():
            what, advice = f"can't be fetched: the hub answered {error.response.status_code}", "try again later"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            what = f"does not fit on the disk of {constants.HF_HUB_CACHE}"
            advice = "free space there, or set HF_HOME to a folder with more"
        case _:
            what, advice = (
                f"can't be fetched: {type(error).__name__}: {one_line(error)}",
                "check the network and try again",
            )
    return CheckpointError(f"the model {model} {what}", advice=advice)
