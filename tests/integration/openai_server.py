"""A server that speaks the chat completions API as vLLM does, well or badly, in a process of its own.

python openai_server.py [--model NAME] [--port PORT] [--key KEY] [--way vllm|plain|opaque|strict] [--script FAULTS]
                        [--abnormal FIRST-LAST | --by-picture] [--certificate FILE] [--most-likely COUNT]

Prints its port and serves until its input ends. It has no model: a window is abnormal when it is among the FIRST-LAST
ones, or as likely as a checksum of its pictures says. What it was asked is at /asked, one line of JSON a request.

vllm begins replies when asked to; plain does not, and writes the fence itself; opaque takes the same requests and tells
no likelihoods; strict refuses requests that want them. FAULTS is a list such as 500,429:2,hang,ok for the first
requests, in order.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import socket
import ssl
import struct
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FENCE = "```\n"
SENTENCE = "A man climbs over a fence."
BOXES = "[[100, 200, 500, 900]]</box>"


class Fault(Exception):
    """What the server has against a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(("127.0.0.1", options.port), Handler)
        self.options = options
        self.faults = [fault for fault in options.script.split(",") if fault]
        self.first, self.last = map(int, options.abnormal.split("-"))
        self.lock = threading.Lock()
        self.asked: list[dict[str, Any]] = []
        self.windows: dict[str, int] = {}  # the pictures of a window -> how many were before it
        self.connections = 0
        self.over = threading.Event()
        if options.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        with self.server.lock:
            self.server.connections += 1

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/asked":
            with self.server.lock:
                lines = [json.dumps(each) for each in self.server.asked]
            self.reply(200, "\n".join(lines).encode())
        elif self.permitted() and self.path == "/v1/models":
            models = [{"id": self.server.options.model, "object": "model"}, {"id": "other/model", "object": "model"}]
            self.reply(200, json.dumps({"object": "list", "data": models}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.permitted():
            return
        with self.server.lock:
            fault = self.server.faults.pop(0) if self.server.faults else "ok"
        try:
            request = json.loads(body)
            answer = json.dumps(self.completion(request, fault)).encode()
        except Fault as error:
            self.refuse(error.status, str(error))
            return
        kind, _, number = fault.partition(":")
        match kind:
            case "ok":
                self.reply(200, answer)
            case "slow":
                self.server.over.wait(float(number))
                self.reply(200, answer)
            case "hang":
                self.server.over.wait(60)
                self.close_connection = True
            case "garbage":
                self.reply(200, bytes(range(256)) * 8)
            case "shapeless":
                self.reply(200, b'{"choices": [{"message": 3}]}')
            case "empty":
                self.reply(200, b'{"choices": []}')
            case "endless":
                self.start(200, 1 << 40)
                while not self.server.over.is_set():
                    self.wfile.write(b" " * 65536)
            case "cut":
                self.start(200, len(answer))
                self.wfile.write(answer[: len(answer) // 2])
                self.reset()
            case "reset":
                self.reset()
            case "307":
                self.reply(307, b"", {"Location": "http://127.0.0.1:1/v1"})
            case "429" | "503":
                self.refuse(int(kind), "too many requests", {"Retry-After": number} if number else {})
            case _:
                self.refuse(int(kind), f"something is wrong; your key is {self.headers.get('Authorization')}")

    def permitted(self) -> bool:
        key = self.server.options.key
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            self.refuse(401, f"wrong key: {self.headers.get('Authorization')}")
            return False
        return True

    def refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self.reply(status, json.dumps({"error": {"message": message, "code": status}}).encode(), headers)

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.start(status, len(body), headers)
        self.wfile.write(body)

    def start(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def reset(self) -> None:
        """Break the connection as a killed process does."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def completion(self, request: dict[str, Any], fault: str) -> dict[str, Any]:
        options = self.server.options
        if request["model"] != options.model:
            raise Fault(404, f"The model `{request['model']}` does not exist.")
        if options.way == "strict" and {"logprobs", "continue_final_message"} & request.keys():
            raise Fault(422, "Unexpected fields in the request: logprobs")
        if request.get("continue_final_message") and request.get("add_generation_prompt", True):
            raise Fault(400, "Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
        most, wanted = options.most_likely, request.get("top_logprobs", 0)
        if wanted > most:
            raise Fault(400, f"Requested sample logprobs of {wanted}, which is greater than max allowed: {most}")
        if wanted > 20 or (request.get("top_logprobs") and not request.get("logprobs")):
            raise Fault(400, "top_logprobs must be at most 20, and needs logprobs")
        user, *rest = request["messages"]
        pictures = [each["image_url"]["url"] for each in user["content"] if each["type"] == "image_url"]
        text = "".join(each["text"] for each in user["content"] if each["type"] == "text")
        for url in pictures:
            head, _, data = url.partition(",")
            if head != "data:image/jpeg;base64" or base64.b64decode(data, validate=True)[:2] != b"\xff\xd8":
                raise Fault(400, "that is no picture")
        with self.server.lock:
            number = self.server.windows.setdefault("".join(pictures), len(self.server.windows))
            self.server.asked.append(
                {
                    "pictures": len(pictures),
                    "window": number,
                    "text": text,
                    "opening": rest[0]["content"] if rest else "",
                    "tokens": request["max_tokens"],
                    "temperature": request["temperature"],
                    "fault": fault,
                    "connections": self.server.connections,
                }
            )
        if options.by_picture:
            likely = 0.05 + 0.9 * (zlib.crc32("".join(pictures).encode()) % 100) / 100
        else:
            likely = 0.9 if self.server.first <= number <= self.server.last else 0.2
        opening = rest[0]["content"] if rest and options.way != "plain" else ""
        tokens = reply(text, opening, likely)[: request["max_tokens"]]
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": "".join(token for token, _ in tokens)},
            "logprobs": None,
            "finish_reason": "length",
        }
        if request.get("logprobs") and options.way != "opaque":
            choice["logprobs"] = {"content": [likelihoods(token, others) for token, others in tokens]}
        return {"id": "x", "object": "chat.completion", "model": options.model, "choices": [choice], "usage": {}}


Tokens = list[tuple[str, dict[str, float]]]  # each with the probabilities of those that might have stood there


def reply(text: str, opening: str, likely: float) -> Tokens:
    """What a model would write that finds the scene abnormal so `likely`, and what else it might have written."""
    if "bounding box" in text:
        return plain(BOXES if opening else f"<ref>it</ref><box>{BOXES}")
    if "what happened" in text:
        return plain("A man climbed over a fence and left.")
    if "single digit" in text:
        return digits(likely)
    if "Yes or No" in text:
        threshold = float(text.partition("Is the rating ")[2].split()[0])
        yes = 0.9 if likely > threshold else 0.2
        return [("Yes" if yes > 0.5 else "No", {"Yes": yes * 0.9, " Yes": yes * 0.1, "No": 1 - yes})]
    if opening.endswith("scenes.\n"):
        return plain(SENTENCE + "\n```")
    abnormal = likely > 0.5
    fence = [] if opening else [("```", {"```": 0.99, "An": 0.001}), ("\n", {"\n": 1.0})]
    words = {"An": likely * 0.7, "Anom": likely * 0.2, "Normal": (1 - likely) * 0.9}
    rest = plain(f"{'omalous' if abnormal else ''} scenes.\n{SENTENCE}\n```")
    return [*fence, ("An" if abnormal else "Normal", words), *rest]


def plain(text: str) -> Tokens:
    return [(piece, {piece: 1.0}) for piece in text.replace(" ", "\0 ").split("\0")]


def digits(likely: float) -> Tokens:
    digit = int(likely * 9)
    return [(str(digit), {str(digit): 0.8, str(digit + 1): 0.2})]


def likelihoods(token: str, others: dict[str, float]) -> dict[str, Any]:
    top = sorted(others.items(), key=lambda each: -each[1])
    listed = [{"token": text, "logprob": math.log(p), "bytes": None} for text, p in top if p > 0]
    listed.append({"token": "The", "logprob": -12.0, "bytes": None})
    return {"token": token, "logprob": 0.0, "bytes": None, "top_logprobs": listed[:20]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="some/model")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="")
    parser.add_argument("--way", choices=["vllm", "plain", "opaque", "strict"], default="vllm")
    parser.add_argument("--script", default="")
    parser.add_argument("--abnormal", default="1-0")
    parser.add_argument("--by-picture", action="store_true")
    parser.add_argument("--certificate")
    parser.add_argument("--most-likely", type=int, default=20)
    server = Server(parser.parse_args())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


if __name__ == "__main__":
    main()
