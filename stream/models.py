"""Where a model's files are: a folder or file, or the Hugging Face hub's cache, filled when needed.

Knows which files a checkpoint needs, and nothing of what is in them. Never fetches code or pickles. Needs the `vlm`
extra for anything but what is here.
"""

from __future__ import annotations

import errno
import logging
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from engine.clip.weights import ClipWeights, hub_file, require_file
from engine.errors import CheckpointError, UsageError
from engine.internvl2.files import missing_files, one_line

_WANTED = ["*.safetensors", "*.json", "tokenizer.model", "merges.txt"]
_HUB_ID = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w[\w./-]*))?", re.ASCII)

_log = logging.getLogger(__name__)

_MORE_SPACE = "free space there, or set HF_HOME to a folder with more"
ANSWER_S = 5.0  # what the hub gets to answer in


def find_model(model: str, *, fetch: bool = True) -> Path:
    """The folder with the files of `model`: a folder, or a hub id such as `OpenGVLab/InternVL2-8B@main`.

    What the hub's cache holds in full is used as it is, without asking the network whether there is something newer:
    a model changes only when another revision is asked for. The hub's own settings (HF_HOME, HF_TOKEN,
    HF_HUB_OFFLINE) hold. Without `fetch` the network is left alone. Raises UsageError for what is neither,
    CheckpointError when files can't be had.
    """
    folder = Path(model).expanduser()
    if model and folder.is_dir():
        return folder
    parsed = _HUB_ID.fullmatch(model)
    if not parsed:
        raise _neither(model)
    try:
        import huggingface_hub.errors
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error

    repo, revision = parsed["repo"], parsed["revision"]
    try:
        cached = huggingface_hub.snapshot_download(
            repo, revision=revision, allow_patterns=_WANTED, local_files_only=True
        )
        if not missing_files(Path(cached)):
            return Path(cached)
    except huggingface_hub.errors.HFValidationError as error:
        raise _neither(model) from error
    except huggingface_hub.errors.LocalEntryNotFoundError:
        pass
    if not fetch:
        raise _not_cached(f"the model {model} is")
    _require_hub(model)
    try:
        _require_space(model, repo, revision, _WANTED)
        _log.info("fetching %s from the Hugging Face hub into %s", model, huggingface_hub.constants.HF_HUB_CACHE)
        fetched = Path(huggingface_hub.snapshot_download(repo, revision=revision, allow_patterns=_WANTED))
    except CheckpointError:
        raise
    except Exception as error:  # whichever of the hub's, its HTTP library's or the system's
        raise _explained(error, model) from error
    if missing := missing_files(fetched):
        raise CheckpointError(
            f"{model} came without {', '.join(missing)}",
            advice="check that it is an original InternVL2 checkpoint with safetensors files, and the network",
        )
    return fetched


def find_clip(model: str, weights: str, *, fetch: bool = True) -> ClipWeights:
    """The file with `weights` for open_clip's `model`: a safetensors file, or open_clip's name for published ones, such
    as `openai`.

    As with `find_model`, what is in the cache is used as it is. Without `fetch` the network is left alone. Raises
    UsageError for what is neither, CheckpointError when it can't be had.
    """
    file = Path(weights).expanduser()
    if file.suffix or file.is_file():
        require_file(file)
        return ClipWeights(model, file)
    try:
        import huggingface_hub.errors

        repo, name = hub_file(model, weights)
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error

    cached = huggingface_hub.try_to_load_from_cache(repo, name)
    if isinstance(cached, str):
        return ClipWeights(model, Path(cached), weights)
    if not fetch:
        raise _not_cached(f"the weights {weights} of CLIP's {model} are")
    _require_hub(repo)
    cache = huggingface_hub.constants.HF_HUB_CACHE
    try:
        _require_space(repo, repo, None, [name])
        _log.info("fetching %s of %s from the Hugging Face hub into %s", name, repo, cache)
        return ClipWeights(model, Path(huggingface_hub.hf_hub_download(repo, name)), weights)
    except CheckpointError:
        raise
    except Exception as error:  # whichever of the hub's, its HTTP library's or the system's
        raise _explained(error, repo) from error


def _require_hub(model: str) -> None:
    """Raises CheckpointError at once where nobody answers: the hub's own library tries for half a minute."""
    from huggingface_hub import constants, errors

    if constants.HF_HUB_OFFLINE:
        return
    try:
        urllib.request.urlopen(urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=ANSWER_S).close()
    except urllib.error.HTTPError as answer:  # whatever it says, somebody is there
        answer.close()
    except OSError as error:
        raise _explained(errors.LocalEntryNotFoundError(str(error)), model) from error


def _require_space(model: str, repo: str, revision: str | None, wanted: Sequence[str]) -> None:
    """Raises CheckpointError where the cache's disk has too little room for what is still to be fetched, and whatever
    the hub's library does."""
    import huggingface_hub
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    blobs = cache / f"models--{repo.replace('/', '--')}" / "blobs"
    files = huggingface_hub.model_info(repo, revision=revision, files_metadata=True).siblings or ()
    needed = sum(
        file.size or 0
        for file in files
        if any(fnmatch(file.rfilename, pattern) for pattern in wanted)
        and not (blobs / str(file.lfs.sha256 if file.lfs else file.blob_id)).exists()
    )
    free = shutil.disk_usage(next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())).free
    if needed > free:
        raise CheckpointError(
            f"the model {model} does not fit on the disk of {cache}: {needed / 1e9:.1f} GB are to be fetched, "
            f"{free / 1e9:.1f} GB are free",
            advice=_MORE_SPACE,
        )


def _neither(model: str) -> UsageError:
    return UsageError(
        f"{model!r} is no folder and no model of the Hugging Face hub",
        advice="give a folder, or an id such as OpenGVLab/InternVL2-8B, if need be with @revision",
    )


def _not_cached(what: str) -> CheckpointError:
    from huggingface_hub import constants

    return CheckpointError(
        f"{what} not in the cache {constants.HF_HUB_CACHE}",
        advice="fetched when watching starts; without a network copy the cache from another machine",
    )


def _not_installed(error: ModuleNotFoundError) -> UsageError:
    return UsageError(f"{error.name} is not installed", advice="pip install -e '.[vlm]' in Vigil's folder")


def _is_full(error: Exception) -> bool:
    """Whether the disk is. What fetches large files raises RuntimeError, with the system's words in it."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)


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
        case errors.RemoteEntryNotFoundError():
            what, advice = "has no weights as safetensors", "choose other weights"
        case errors.HfHubHTTPError():
            what, advice = f"can't be fetched: the hub answered {error.response.status_code}", "try again later"
        case _ if _is_full(error):
            what, advice = f"does not fit on the disk of {constants.HF_HUB_CACHE}", _MORE_SPACE
        case _:
            what, advice = (
                f"can't be fetched: {type(error).__name__}: {one_line(error)}",
                "check the network and try again",
            )
    return CheckpointError(f"the model {model} {what}", advice=advice)
