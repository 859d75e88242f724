"""Where others come in: the feed, health and metrics, the console. A door that other machines reach must be locked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.errors import UsageError
from stream.config.fields import ApiKey, Endpoint, FilePath, HostPort, Listen, NetworkAddress, Token
from stream.config.section import Section
from stream.feed.endpoint import require_loopback
from stream.loopback import is_loopback


class FeedConfig(Section):
    """The ZeroMQ publisher of alerts and of the cameras' states."""

    bind: Endpoint = Field(
        default="tcp://127.0.0.1:5557", description="Where subscribers connect. The default lets in this machine only."
    )
    catch_up: Endpoint | None = Field(
        default=None,
        description="Where subscribers ask for alerts that they missed. By default the port after `bind`'s.",
    )
    keys: FilePath | None = Field(
        default=None,
        description="The folder that `vigil keys` made, such as `vigil-keys`: only who has a key of it hears the feed. "
        "An address that other machines reach needs it. See [security.md](security.md).",
    )
    scores: bool = Field(default=True, description="Publish every score as well as alerts: for plots and debugging.")

    def check(self) -> None:
        if self.keys is None:
            require_loopback(self.bind, "the feed")
            if self.catch_up:
                require_loopback(self.catch_up, "catch-up")


class HttpConfig(Section):
    """Health (`/healthz`, `/readyz`) and metrics (`/metrics`)."""

    bind: Listen = Field(
        default=HostPort("127.0.0.1", 8787),
        description="Where to serve them, or `off`. An address that other machines reach needs a `token`.",
    )
    token: Token | None = Field(
        default=None,
        description="What to show for `/readyz` and `/metrics`, as `Authorization: Bearer TOKEN`, such as "
        "`${VIGIL_HTTP_TOKEN}`: 16 characters or more. `/healthz` is open to all.",
    )

    def check(self) -> None:
        if self.bind and not self.token and not is_loopback(self.bind.host):
            raise UsageError(
                f"health and metrics at {self.bind} would be open to the whole network",
                advice="give it a token: run `export VIGIL_HTTP_TOKEN=$(openssl rand -hex 24)` and put `http: {token: "
                f"'${{VIGIL_HTTP_TOKEN}}'}}` into the file; or use 127.0.0.1:{self.bind.port}, behind a proxy or an "
                "SSH tunnel",
            )


class TokenConfig(Section):
    """Somebody who may sign in to the console."""

    name: str = Field(min_length=1, max_length=60, description="Who it is: marks and changes are signed with it.")
    role: Literal["viewer", "operator", "admin"] = Field(
        description="A `viewer` looks; an `operator` also marks alerts and changes definitions; an `admin` may do all."
    )
    token: Token = Field(description="What they sign in with, such as `${CONSOLE_TOKEN}`: 16 characters or more.")


class IceConfig(Section):
    """A server that helps WebRTC through a network. In one network none is needed."""

    url: str = Field(
        pattern=r"^(stuns?|turns?):[!-;=?-~]+$", description="Such as `stun:192.0.2.1:3478` or `turn:192.0.2.1:3478`."
    )
    user: str | None = Field(default=None, pattern="^[!-~]+$", description="For TURN.")
    password: ApiKey | None = Field(default=None, description="For TURN, such as `${TURN_PASSWORD}`.")


class ConsoleConfig(Section):
    """The page in the browser, and its API. It needs the `console` extra."""

    bind: Listen = Field(
        default=None, description="Where to serve it, such as 127.0.0.1:8788; an address others reach needs `tokens`."
    )
    tokens: tuple[TokenConfig, ...] = Field(
        default=(),
        max_length=64,
        description="Who may sign in. Without any, everybody on this machine is an admin, and nobody else gets in.",
    )
    trusted_proxies: tuple[NetworkAddress, ...] = Field(
        default=(),
        max_length=16,
        description="Proxies before the console, such as `127.0.0.1` or `10.0.0.0/8`: their `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are believed, nobody else's.",
    )
    webrtc_viewers: int = Field(
        default=4,
        ge=0,
        le=64,
        description="How many may watch by WebRTC at once; others get single pictures. Each takes a twentieth of a "
        "core. It needs the `webrtc` extra.",
    )
    ice_servers: tuple[IceConfig, ...] = Field(
        default=(),
        max_length=4,
        description="For publishers and viewers in other networks; the first of each kind is used.",
    )

    def check(self) -> None:
        names = [each.name for each in self.tokens]
        secrets = {each.token.get_secret_value() for each in self.tokens}
        if len(set(names)) < len(names) or len(secrets) < len(names):
            raise UsageError("two tokens have the same name or are the same", advice="give everybody one of their own")
        if self.bind and not self.tokens and not is_loopback(self.bind.host):
            raise UsageError(
                f"the console at {self.bind} would be open to the whole network",
                advice="give it a token: run `export CONSOLE_TOKEN=$(openssl rand -hex 24)` and put `console: "
                "{tokens: [{name: me, role: admin, token: '${CONSOLE_TOKEN}'}]}` into the file; or use "
                f"127.0.0.1:{self.bind.port}, and from other machines `ssh -N -L {self.bind.port}:127.0.0.1:"
                f"{self.bind.port} THIS_MACHINE`",
            )
