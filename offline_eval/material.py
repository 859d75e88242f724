"""What a replay evaluates: annotated videos and what was said of each, in texts or in stores. Knows no method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import file_digest
from pathlib import Path

from engine.errors import UsageError
from offline_eval.datasets import Coverage, Dataset, LabelEnds, Video, load_dataset, match_lengths
from offline_eval.datasets.lengths import with_lengths
from offline_eval.initial import match_initial, read_initial, said_of
from offline_eval.recorded import match_responses
from offline_eval.responses import read_responses
from offline_eval.said import Said, SaidOf, judgement_of, said_in_store, said_in_texts, text_of
from offline_eval.videos.exchange import OF_TEXTS
from offline_eval.videos.plan import are_published_segments
from offline_eval.videos.store import SUFFIX, read_run, read_videos

_TEXT_QUIRKS = (
    "Published responses were cleaned over a segment's neighbours, the next one included, before they were recorded: "
    "what follows may be causal, that step was not.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The videos that can be evaluated, what was said of them, and where both come from."""

    dataset: Dataset
    coverage: Coverage
    said: SaidOf
    sources: Mapping[str, str]  # in words
    quirks: tuple[str, ...] = ()  # what to know of what was said
    clip: str | None = None  # which CLIP the judgements' vectors are of, if they have any

    @property
    def verdicts(self) -> bool:
        """Whether it is verdicts, 0 or 1, on segments of 30 frames."""
        return all(each.texts for each in self.said.values())


def read_material(
    dataset: str,
    annotations: Path,
    *responses: Path,
    features: Path | None = None,
    lengths: Path | None = None,
    ends: LabelEnds = LabelEnds.EXCLUSIVE,
    fps: float | None = None,
    allow_missing: bool = False,
) -> Material:
    """Responses are one file of texts, or stores (folders, or files of them) that make up one run. With `features` they
    are the initial scores of VERA (see `initial`).

    Where the annotations don't say how long videos are, `lengths` does (see `with_lengths`); stores know.
    `fps` takes the place of the data set's own. Raises ConfigError for files that do not hold, and for videos without
    responses unless they are allowed; UsageError for stores that don't belong together or here.
    """
    benchmark = load_dataset(dataset, annotations, ends)
    if fps is not None:
        benchmark = replace(benchmark, fps=fps)
    if features is not None:
        material = _of_initial(with_lengths(benchmark, lengths), features, *responses)
    elif not _are_stores(responses):
        material = _of_texts(with_lengths(benchmark, lengths), *responses)
    elif lengths:
        raise UsageError("a store knows how long its videos are, so --lengths has no use", advice="leave it out")
    else:
        material = _of_stores(benchmark, *responses)
    material.coverage.required(allow_missing=allow_missing)
    return replace(
        material, sources={"annotations": f"{identity(annotations)}, label ends {ends.value}", **material.sources}
    )


def read_sentences(*responses: Path, verdicts: bool = False) -> set[str]:
    """Everything that was said without its verdict, of whatever video; `verdicts`: and with it."""
    if _are_stores(responses):
        judgements = [window.judgement for video in read_videos(*responses) for window in video.windows]
        said = {each.text for each in judgements}
        whole = {text_of(each) for each in judgements}
    else:
        whole = {text for texts in read_responses(*responses).values() for text in texts}
        said = {judgement_of(text).text for text in whole}
    return {text for text in (said | whole if verdicts else said) if text}


def _are_stores(responses: Iterable[Path]) -> bool:
    """The one place that decides: a folder, or a file with a store's suffix. Anything else is a file of texts."""
    kinds = {path.is_dir() or path.suffix == SUFFIX for path in responses}
    if kinds == {False} and len(tuple(responses)) == 1:
        return False
    if kinds != {True}:
        raise UsageError("several responses must all be stores", advice="name folders of `vigil replay judge`")
    return True


def _of_texts(benchmark: Dataset, path: Path) -> Material:
    texts = read_responses(path)
    coverage = match_responses(benchmark.videos(), texts)
    said = {video.name: said_in_texts(video, texts[video.name], benchmark.fps) for video in coverage.videos}
    return Material(benchmark, coverage, said, {"responses": identity(path)}, _TEXT_QUIRKS)


def _of_initial(benchmark: Dataset, features: Path, *scores: Path) -> Material:
    if len(scores) > 1:
        raise UsageError("initial scores are one file, or one folder", advice="give --responses once")
    initial = read_initial(scores[0], features)
    coverage = match_initial(benchmark.videos(), initial)
    said = {video.name: said_of(video, initial[video.name], benchmark.fps) for video in coverage.videos}
    return Material(benchmark, coverage, said, {"initial scores": identity(scores[0]), "features": identity(features)})


def _of_stores(benchmark: Dataset, *places: Path) -> Material:
    run = read_run(*places)
    if run.dataset != benchmark.name:
        raise UsageError(f"{places[0]} holds responses to {run.dataset}, not to {benchmark.name}")
    stored = {video.name: video for video in read_videos(*places)}
    coverage = match_lengths(benchmark.videos(), {name: video.finished.frames for name, video in stored.items()})
    damaged = tuple(
        f"{video.name} lacks {finished.undecoded} of {finished.frames} frames"
        for video in coverage.videos
        if (finished := stored[video.name].finished).undecoded
    )
    coverage = replace(coverage, damaged=damaged)
    segments = are_published_segments(run.settings)

    def said(video: Video) -> Said:
        return said_in_store(stored[video.name], video.known_frame_count(), segments=segments)

    sources = {
        "responses": f"{', '.join(place.name for place in places)}, judged by Vigil {run.version}",
        "scorer": run.scorer,
        "model": run.model,
        **({"prompt sha256": run.prompt_sha256} if run.prompt_sha256 else {}),
        "judged with": ", ".join(f"{name} {value}" for name, value in run.settings.items()),
    }
    quirks = _TEXT_QUIRKS if OF_TEXTS in run.settings else ()
    everything = {video.name: said(video) for video in coverage.videos}
    return Material(benchmark, coverage, everything, sources, quirks, run.settings.get("scorer.clip"))


def identity(path: Path) -> str:
    """A file's name and the beginning of its hash: enough to tell whether two runs read the same. A folder's name."""
    if path.is_dir():
        return path.name
    with path.open("rb") as file:
        return f"{path.name} (sha256 {file_digest(file, 'sha256').hexdigest()[:12]})"
