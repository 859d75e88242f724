from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.windows import WindowPlan
from offline_eval.datasets.base import Video
from offline_eval.videos.plan import OfflineCentredWindows, Plan, RawSegments, Shard, plan_settings

LENGTHS = st.dictionaries(st.text(min_size=1), st.integers(1, 10_000), min_size=1, max_size=30)


@given(LENGTHS, st.integers(1, 5), st.randoms(use_true_random=False))
def test_shards_share_all_videos_without_overlap_whatever_their_order(
    lengths: dict[str, int], count: int, rng: random.Random
) -> None:
    videos = [Video(name, frame_count=frames) for name, frames in lengths.items()]
    shards = [Shard(number, count).of(videos) for number in range(1, count + 1)]
    assert sorted(video.name for shard in shards for video in shard) == sorted(lengths)
    rng.shuffle(videos)
    assert shards == [Shard(number, count).of(videos) for number in range(1, count + 1)]
    totals = [sum(video.known_frame_count() for video in shard) for shard in shards]
    assert max(totals) - min(totals) <= max(lengths.values())


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2"])
def test_a_shard_that_makes_no_sense_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="shard"):
        Shard.parse(text)


def test_a_shard_names_its_file_unless_it_is_the_only_one() -> None:
    assert (Shard.parse("2/4").name, Shard.parse("1/1").name) == ("2-of-4", "")


def test_every_value_of_a_plan_is_among_its_settings() -> None:
    plans: list[Plan] = [
        WindowPlan(),
        WindowPlan(fps=4, frames=4),
        WindowPlan(stride_s=0.5),
        RawSegments(),
        RawSegments(pictures=4),
        OfflineCentredWindows(),
    ]
    assert len({str(plan_settings(plan)) for plan in plans}) == len(plans)
