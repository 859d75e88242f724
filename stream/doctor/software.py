"""Is what Vigil is made of here: versions, decoders, an encoder, a GPU's software, optional parts?"""

from __future__ import annotations

import json
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel, hwdevices_available

from engine.errors import CheckpointError, UsageError
from engine.internvl2.config import read_config
from engine.internvl2.files import missing_files
from stream.doctor.asking import ask
from stream.doctor.findings import Finding, ok, problem, warning
from stream.models import find_model
from stream.sources.encode import PacketEncoder
from stream.sources.pyav_errors import Foreign

DISTRIBUTION = "vigil-vad"
SMI_LIMIT_S = 10.0
TORCH_LIMIT_S = 60.0  # a first import from a cold disk takes half of that

_DECODERS = {  # what cameras send: FFmpeg's software decoders of it
    "h264": ("h264",),
    "hevc": ("hevc",),
    "mjpeg": ("mjpeg",),
    "av1": ("libdav1d", "libaom-av1", "libgav1"),
    "vp9": ("vp9", "libvpx-vp9"),
}
_NEEDED = {"h264", "hevc", "mjpeg"}
_OWN_FFMPEG = "install PyAV's own wheel, which brings FFmpeg: pip install --force-reinstall --only-binary av av"
_TORCH = """\
import json, torch
device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
if torch.backends.mps.is_available():
    device = "the Apple GPU"
print(json.dumps([torch.__version__, device]))
"""

_CLIP = """\
import json, sys
from engine.errors import VigilError
from stream.models import find_clip
try:
    print(json.dumps([str(find_clip(*sys.argv[1:], fetch=False).path), "", ""]))
except VigilError as error:
    print(json.dumps([None, error.message, error.advice]))
"""


def versions() -> Iterator[Finding]:
    vigil, python = metadata.version(DISTRIBUTION), platform.python_version()
    system = f"{platform.system()} {platform.machine()}"
    yield ok("versions", f"Vigil {vigil}, Python {python} on {system}", vigil=vigil, python=python, system=system)


def decoders() -> Iterator[Finding]:
    known = av.codecs_available
    lacking = {codec for codec, names in _DECODERS.items() if not known.intersection(names)}
    names = ", ".join(codec for codec in _DECODERS if codec not in lacking) or "nothing"
    message = f"PyAV {av.__version__} with FFmpeg {av.ffmpeg_version_info} decodes {names}"
    if not lacking:
        yield ok("decoders", message, pyav=av.__version__, ffmpeg=av.ffmpeg_version_info)
        return
    say = problem if lacking & _NEEDED else warning
    missing = ", ".join(sorted(lacking))
    yield say(
        "decoders",
        f"{message}, but not {missing}",
        _OWN_FFMPEG,
        pyav=av.__version__,
        ffmpeg=av.ffmpeg_version_info,
        lacking=missing,
    )


def encoder() -> Iterator[Finding]:
    """Webcams and simulated cameras give only pictures: their clips need an encoder that really opens."""
    tried = PacketEncoder(64, 64, 10.0)
    tried.close()
    if tried.info.header:
        yield ok("encoder", f"{tried.info.codec}, for the clips of webcams", codec=tried.info.codec)
    else:
        yield warning("encoder", "none opens: no clips of webcams and simulated cameras", _OWN_FFMPEG)


def hardware_decoding() -> Iterator[Finding]:
    """FFmpeg lists what it was built for; only opening a device tells whether it is there."""
    offered = hwdevices_available()
    opened = []
    for name in offered:
        try:
            HWAccel(name).create(av.Codec("h264", "r"))
        except (*Foreign, NotImplementedError):
            continue
        opened.append(name)
    if opened:
        message = f"{', '.join(opened)} opens here: `hwaccel: {opened[0]}` uses it"
    else:
        message = f"software only: none of {', '.join(offered) or 'its devices'} opens here"
    yield ok("hardware decoding", message, offered=", ".join(offered), opened=", ".join(opened))


def gpu(*, needed: bool) -> Iterator[Finding]:
    """What a vision-language model could run on."""
    smi = shutil.which("nvidia-smi")
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    found = (ask([smi, *query], SMI_LIMIT_S) or "").splitlines() if smi else []
    cards = "; ".join(line.strip() for line in found)
    torch, device = None, None
    if find_spec("torch") is not None:  # asked in a process of its own: importing it takes seconds and memory
        said = ask([sys.executable, "-c", _TORCH], TORCH_LIMIT_S)
        torch, device = json.loads(said.splitlines()[-1]) if said else (None, None)
        if torch is None:
            yield warning("gpu", "PyTorch is installed but does not load", "install torch anew", cards=cards)
            return
    if smi and not cards:
        advice = "check the NVIDIA driver; in a container, that the GPU is passed in"
        yield warning("gpu", "nvidia-smi finds no GPU or does not answer", advice, torch=torch)
    elif device:
        yield ok("gpu", f"{cards or device}, used by PyTorch {torch}", cards=cards, torch=torch, device=device)
    elif cards and torch:
        advice = "install a PyTorch built for this driver's CUDA version"
        yield warning("gpu", f"PyTorch {torch} can't use {cards}", advice, cards=cards, torch=torch)
    elif cards:
        yield ok("gpu", f"{cards}; not used, as PyTorch is not installed", cards=cards)
    elif needed:
        yield warning("gpu", "none: on a CPU a model is for trials only", "use a machine with a GPU, or scorer openai")
    else:
        yield ok("gpu", "none, and the scorer needs none")


def checkpoint(model: str) -> Iterator[Finding]:
    """Whether a scorer's model can be read, as far as its small files tell. Fetches nothing."""
    folder, where = Path(model).expanduser(), ""
    if not folder.exists():
        try:
            folder, where = find_model(model, fetch=False), f"{model}, from the hub's cache in "
        except UsageError as error:
            yield problem("model", error.message, error.advice, model=model)
            return
        except CheckpointError as error:
            yield ok("model", error.message, error.advice, model=model)
            return
    try:
        config = read_config(folder)
        if missing := missing_files(folder):
            raise CheckpointError(f"{folder} lacks {', '.join(missing)}", advice="fetch the checkpoint again")
    except CheckpointError as error:
        yield problem("model", error.message, error.advice, model=model)
    else:
        yield ok("model", f"{where}{folder}: {config.language.value}, its weights are not looked at here", model=model)


def cleaning(model: str, weights: str) -> Iterator[Finding]:
    """Whether sentences can be compared with pictures, by open_clip's `model`. Fetches nothing."""
    if weights == "off":
        yield ok("cleaning", "off, as configured", model=model)
        return
    if find_spec("open_clip") is None:
        advice = "in Vigil's folder: .venv/bin/pip install --editable '.[vlm]'"
        yield ok("cleaning", "off, as open_clip is not installed", advice, model=model)
        return
    # In a process of its own: open_clip imports PyTorch.
    said = ask([sys.executable, "-c", _CLIP, model, weights], TORCH_LIMIT_S)
    path, why, advice = (
        json.loads(said.splitlines()[-1]) if said else (None, "open_clip does not load", "install it anew")
    )
    if path is None:
        yield warning("cleaning", f"off: {why}", advice, model=model)
    else:
        yield ok("cleaning", f"CLIP's {model} with {path}", model=model, weights=path)


def no_cleaning(scorer: str) -> Iterator[Finding]:
    yield ok("cleaning", f"off, as the scorer {scorer} understands no words")


def extras() -> Iterator[Finding]:
    """Each extra is whole, absent, or a half-finished installation."""
    needs: dict[str, list[str]] = {}
    for requirement in metadata.requires(DISTRIBUTION) or ():
        match = re.match(r"([A-Za-z0-9._-]+).*;.*\bextra\s*==\s*['\"]([^'\"]+)['\"]", requirement)
        if match and match[1] != DISTRIBUTION and match[2] != "dev":
            needs.setdefault(match[2], []).append(match[1])
    for extra, names in needs.items():
        lacking = [name for name in names if not _is_installed(name)]
        install = f"in Vigil's folder: .venv/bin/pip install --editable '.[{extra}]'"
        if not lacking:
            yield ok("extras", f"{extra}: installed", extra=extra)
        elif len(lacking) == len(names):
            yield ok("extras", f"{extra}: not installed", install, extra=extra, lacking=", ".join(lacking))
        else:
            missing = ", ".join(lacking)
            yield warning("extras", f"{extra}: incomplete, {missing} is missing", install, extra=extra, lacking=missing)


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
