"""Listen to Vigil's alerts from another program: `python examples/subscribe.py [ENDPOINT]`.

Run `vigil watch` beside it. Copy this file and do what you like with an alert.
"""

from __future__ import annotations

import contextlib
import sys

from stream.feed import DEFAULT_ENDPOINT, AlertMessage, Link, Missed, NoCatchUp, Received, Restarted, subscribe


def main(endpoint: str) -> None:
    # kinds=("alerts", "status", "scores") for more, cameras=["front"] for less, since="all" for what was told before,
    # position=Path("FILE") to go on where the last run was
    with subscribe(endpoint) as feed:
        for event in feed:
            match event:
                case Received(message=AlertMessage() as alert, jpeg=jpeg):
                    picture = f", with a picture of {len(jpeg)} bytes" if jpeg else ""
                    print(f"{alert.type:6} {alert.camera}: {alert.explanation!r} ({alert.top_score:.2f}{picture})")
                case Missed(topic, count):
                    print(f"missed {count} messages of {topic}")
                case NoCatchUp(reason):
                    print(f"what is missed can't be fetched: {reason}")
                case Link() | Restarted():
                    print(f"the publisher: {event}")
            sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_ENDPOINT)
