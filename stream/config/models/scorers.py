"""The kinds of scorer, and the model that cleaning needs. Loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from engine.prompts.questions import VERA_UCF_CRIME, VERA_XD_VIOLENCE
from engine.scoring import Wording
from stream.config.fields import (
    ApiKey,
    Duration,
    FilePath,
    ModelName,
    PictureSize,
    Pixels,
    Question,
    Score,
    ServerAddress,
)
from stream.config.section import Section, default_kind

ScorerTimeout = Annotated[
    Duration, Field(gt=0, description="A batch that takes the scorer longer is given up, and its windows are unknown.")
]


ScoringWay = Annotated[
    Literal["likelihood", "scale", "thresholds", "faithful"],
    Field(
        description="Where a score comes from: how likely the model finds the words of its verdict, the digits of a "
        "scale, or a yes to each of nine thresholds; `faithful` has it write the verdict for every window, which is "
        "slow and knows only 0 and 1."
    ),
]
QUESTIONS: Mapping[str, tuple[str, ...]] = {"vera-ucf-crime": VERA_UCF_CRIME, "vera-xd-violence": VERA_XD_VIOLENCE}


def _questions(raw: object) -> object:
    return QUESTIONS.get(raw, raw) if isinstance(raw, str) else raw


GuidingQuestions = Annotated[
    tuple[Question, ...],
    BeforeValidator(_questions),
    Field(
        max_length=10,
        description="Questions that guide the model's look at the frames: a list, or the name of a published set, "
        "`vera-ucf-crime` or `vera-xd-violence`.",
    ),
]
ExplainAbove = Annotated[
    Score | None,
    Field(
        description="Windows with this score or more get a sentence at once, before anything is decided: slow, but "
        "cleaning and meaning can use it. Not set: only events are explained."
    ),
]


class MotionScorerConfig(Section):
    """Unusual motion, with nothing to download. Each camera's `motion` section steers it."""

    kind: Literal["motion"] = Field(default="motion", description="The default kind.")
    timeout_s: ScorerTimeout = 30.0


class RecordedScorerConfig(Section):
    """Responses that were recorded before: for tests and debugging."""

    kind: Literal["recorded"] = Field(
        default="recorded", description="Answers from a file instead of looking at pictures."
    )
    responses: FilePath = Field(description="The file of responses, in JSON lines.")
    timeout_s: ScorerTimeout = 30.0


class InternVL2ScorerConfig(Section):
    """A vision-language model in this process. It needs the `vlm` extra and, but for tiny models, a GPU."""

    kind: Literal["internvl2"] = Field(
        default="internvl2", description="Understands what it sees, and says it in a sentence."
    )
    model: ModelName = Field(
        description="The folder of an original InternVL2 checkpoint, or its name on the Hugging Face hub, such as "
        "`OpenGVLab/InternVL2-8B`, if need be with `@revision`."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="`auto` is the GPU where there is one.")
    dtype: Literal["auto", "bfloat16", "float32"] = Field(
        default="auto", description="The numbers it computes with; `auto` is `bfloat16` on a GPU, else `float32`."
    )
    scoring: ScoringWay = "likelihood"
    questions: GuidingQuestions = ()
    explain_above: ExplainAbove = None
    batch_tokens: int = Field(
        default=32768,
        ge=1,
        description="Tokens of windows that are judged in one pass; a window of 8 frames takes about 2400. Lower where "
        "memory is short; fewer are taken by themselves when it runs out.",
    )
    kept_frames: int = Field(
        default=1024,
        ge=0,
        description="Frames whose features are remembered, so that windows that overlap share them: 2 MiB each for 8B. "
        "They never take more than a quarter of the memory that the weights leave.",
    )
    timeout_s: ScorerTimeout = 30.0

    def check(self) -> None:
        self.wording()

    def wording(self) -> Wording:
        return Wording(questions=self.questions)


class OpenAIScorerConfig(Section):
    """A vision-language model behind servers that speak OpenAI's API: vLLM, SGLang, LMDeploy. It needs the `openai`
    extra. How to start servers, and how many, is in [scaling.md](scaling.md).
    """

    kind: Literal["openai"] = Field(
        default="openai", description="Asks a model on other GPUs or other machines, with the same prompts."
    )
    urls: tuple[ServerAddress, ...] = Field(
        min_length=1,
        max_length=64,
        description="Where the servers are, such as `http://127.0.0.1:8000/v1`. Several share the load, and one that "
        "fails is left out.",
    )
    model: str = Field(min_length=1, max_length=500, description="What the servers call the model.")
    api_key: ApiKey | None = Field(
        default=None,
        description="What the servers want as a key, such as `${VLLM_KEY}`. Not set: the secret `OPENAI_API_KEY`, if "
        "there is one.",
    )
    size: Pixels = Field(
        default=PictureSize(448, 448),
        description="Pictures are squashed to this. The default is what InternVL2 sees as one tile.",
    )
    concurrency: int = Field(
        default=32, ge=1, le=1024, description="Requests at once, over all servers. Raise for many GPUs."
    )
    scoring: ScoringWay = "likelihood"
    questions: GuidingQuestions = ()
    explain_above: ExplainAbove = None
    timeout_s: ScorerTimeout = 30.0

    def check(self) -> None:
        Wording(questions=self.questions)


ScorerConfig = Annotated[
    MotionScorerConfig | RecordedScorerConfig | InternVL2ScorerConfig | OpenAIScorerConfig,
    Field(discriminator="kind"),
    default_kind("motion"),
]


class ClipConfig(Section):
    """The model that compares pictures with sentences, for cleaning. Without its weights everything else works."""

    model: str = Field(default="ViT-B-16", min_length=1, description="Any model of open_clip, by its name there.")
    weights: str = Field(
        default="openai",
        min_length=1,
        description="open_clip's name of published weights, fetched once; or a `.safetensors` file (OpenAI's in a file "
        "need a model whose name ends in `-quickgelu`); or `off`.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="`auto` is the GPU where there is one.")
