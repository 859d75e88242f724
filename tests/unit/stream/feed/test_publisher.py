import pytest

from engine.errors import FeedError, UsageError
from stream.feed.messages import Message, ScoreMessage
from stream.feed.publisher import FeedPublisher
from tests.unit.stream.feed import made


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:5557", "tcp://*:5557", "tcp://192.0.2.7:5557", "tcp://[::]:5557"])
def test_an_endpoint_that_other_machines_reach_is_refused_with_a_way_out(endpoint: str) -> None:
    with pytest.raises(UsageError, match=r"open to the whole network.*vigil keys new NAME.*127\.0\.0\.1:5557"):
        FeedPublisher(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "5557",
        "127.0.0.1:5557",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:x",
        "tcp://127.0.0.1:65536",
        "udp://127.0.0.1:5",
    ],
)
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(UsageError, match="no address of a feed"):
        FeedPublisher(endpoint)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:0", "tcp://127.0.0.1:*", "tcp://localhost:*"])
def test_any_free_port_can_be_asked_for(endpoint: str) -> None:
    with FeedPublisher(endpoint) as publisher:
        host, _, port = publisher.bound_endpoint.rpartition(":")
        assert host == "tcp://127.0.0.1"
        assert int(port) > 0


def test_an_address_in_use_is_a_feed_error_with_advice() -> None:
    with FeedPublisher("tcp://127.0.0.1:*") as first, pytest.raises(FeedError, match="another program"):
        FeedPublisher(first.bound_endpoint)


def test_a_missing_directory_is_a_feed_error_with_advice() -> None:
    with pytest.raises(FeedError, match="directory does not exist"):
        FeedPublisher("ipc:///no-such-directory/feed")


def test_closing_twice_is_fine_and_each_run_is_told_apart() -> None:
    first, second = FeedPublisher("tcp://127.0.0.1:*"), FeedPublisher("tcp://127.0.0.1:*")
    assert first.run != second.run
    for publisher in (first, second):
        publisher.close()
        publisher.close()


def test_who_is_in_the_same_process_hears_everything_also_scores_that_are_not_sent() -> None:
    score = ScoreMessage(camera="front", time=1.0, pts_s=0.0, segment=0, index=0, raw=0.1, cleaned=0.1, score=0.1)
    heard: list[Message] = []
    with FeedPublisher("tcp://127.0.0.1:*", scores=False) as publisher:
        publisher.heard = heard.append
        publisher.publish_alert(made.an_alert(seq=1))
        publisher.publish_score(score)
        publisher.publish_status(made.a_status())
    assert [message.kind for message in heard] == ["alerts", "scores", "status"]
