"""Compare a checkpoint, as it is loaded here, with what the authors' code computed for it.

    python -m engine.internvl2.verify CHECKPOINT [ORACLE]

ORACLE is an .npz file with the authors' tensors; chat_oracle.json (prompts, their ids, greedy answers) and
tokenizer_oracle.json (strings and their ids) are compared as well when they lie beside it or in CHECKPOINT. Without
ORACLE, what lies in CHECKPOINT is taken. A folder with nothing but a tokenizer will do for tokenizer_oracle.json.
Runs on the CPU in float32 with eager attention, as the authors' code did.

Prints one JSON object: the largest difference of each tensor; whether greedy tokens, prompts and token ids are equal
(null where there was nothing to compare), and how many token cases are; and the tensors of ORACLE that are of no known
kind. stderr names what differs. Exits with 0 when all was compared and is equal, with no difference above 2e-5, with 1
when not or when the checkpoint can't be loaded, with 2 for bad usage.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError, VigilError
from engine.internvl2.files import CONFIG, one_line, read_json

_TENSORS, _CHAT, _TOKENIZER = "oracle.npz", "chat_oracle.json", "tokenizer_oracle.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        checkpoint, oracle = _arguments(arguments)
        report, wrong = verify(checkpoint, oracle)
    except VigilError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command of its own
        return error.exit_code
    if wrong:
        print(f"differs: {', '.join(wrong)}", file=sys.stderr)  # noqa: T201
    print(json.dumps(report))  # noqa: T201
    return 0 if report["ok"] else 1


def verify(checkpoint: Path, oracle: Path | None) -> tuple[dict[str, Any], list[str]]:
    """The report, and the names of what differs. Raises VigilError."""
    try:
        import torch

        from engine.internvl2.compare import Findings, compare_chat, compare_tensors, compare_tokenizer
        from engine.internvl2.load import load
        from engine.internvl2.tokenizer import load_tokenizer
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed", advice="pip install -e '.[vlm]' in Vigil's folder"
        ) from error

    tensors, chat, strings = _oracles(checkpoint, oracle)
    findings = Findings()
    internvl2 = None
    if tensors or chat or (checkpoint / CONFIG).is_file():
        internvl2 = load(checkpoint, dtype=torch.float32, device=torch.device("cpu"), attention="eager")
    tokenizer = internvl2.tokenizer if internvl2 else load_tokenizer(checkpoint)
    try:
        if internvl2:
            held = _read_tensors(tensors) if tensors else {}
            compare_tensors(internvl2, held, findings)
            if chat:
                compare_chat(internvl2, read_json(chat), held.get("pixel_values"), findings)
        if strings:
            compare_tokenizer(tokenizer, read_json(strings), findings)
    except KeyError as error:
        raise UsageError(f"the oracle has no {error}", advice="give one that the authors' code made") from error
    return findings.report(), findings.wrong()


def _oracles(checkpoint: Path, oracle: Path | None) -> tuple[Path | None, Path | None, Path | None]:
    """Where the authors' tensors, prompts and strings are: `oracle`, what lies beside it, what lies in the folder."""
    folders = [oracle.parent, checkpoint] if oracle else [checkpoint]
    names = (_TENSORS, _CHAT, _TOKENIZER)
    found = [next((folder / name for folder in folders if (folder / name).is_file()), None) for name in names]
    if oracle and oracle.suffix == ".npz":
        found[0] = oracle
    elif oracle and oracle.name not in names:
        raise UsageError(f"{oracle} is no oracle", advice=f"give an .npz file, {_CHAT} or {_TOKENIZER}")
    if not any(found):
        raise UsageError(f"{checkpoint} holds no {', no '.join(names)}", advice="name the oracle's file")
    tensors, chat, strings = found
    return tensors, chat, strings


def _read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} can't be read: {one_line(error)}", advice="give an .npz file of tensors") from error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, advice="python -m engine.internvl2.verify CHECKPOINT [ORACLE.npz]")


def _arguments(arguments: Sequence[str] | None) -> tuple[Path, Path | None]:
    parser = _Parser(prog="python -m engine.internvl2.verify", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="the folder of the checkpoint")
    parser.add_argument("oracle", metavar="ORACLE", type=Path, nargs="?", help="an .npz file of the authors' tensors")
    given = parser.parse_args(arguments)
    if not given.checkpoint.is_dir():
        parser.error(f"there is no folder {given.checkpoint}")
    if given.oracle and not given.oracle.is_file():
        parser.error(f"there is no file {given.oracle}")
    return given.checkpoint, given.oracle


if __name__ == "__main__":
    sys.exit(main())
