"""A small local Hugging Face Hub, for the real huggingface_hub client.

    with HubServer() as hub: hub.add_repo("owner/name", folder) hub.use(monkeypatch, tmp_path) # this process;
    `env=hub.env(tmp_path)` for another one

It answers the requests of a download: the listing of a repository at a revision, and HEAD and GET of its files, with
the Hub's headers and error codes. After `accept_uploads` it also creates repositories; a test puts their files there.
Another endpoint needs one method, and one line in `routes`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit


class Request(NamedTuple):
    method: str
    path: str
    range: str | None
    authorization: str | None = None


class Repo(NamedTuple):
    """One revision of one repository."""

    commit: str
    folder: Path
    gated: bool


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Ignore a client that closed the connection, as a cancelled download does.

        Printing the error would parse its lines, and in Python 3.11 two threads can't parse at once
        (python/cpython#106905).
        """
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class HubServer:
    """The server. requests: all requests so far. The fields below change its answers, also while it runs."""

    def __init__(self):
        self.repos: dict[tuple[str, str], Repo] = {}  # by id and revision; each commit is a revision, too
        self.requests: list[Request] = []
        self.status = 200  # another status answers every request, like a Hub that is down
        self.bytes_per_second: float | None = None
        self.stalled = threading.Event()  # while set, the body of a file stops after its first bytes
        self.damaged = False  # whether the last byte of weights is changed, although the hash is right
        self.claimed: dict[str, int | None] = {}  # wrong sizes of files for the listing
        self.mute = threading.Event()  # while set, answers never end, with pauses too short for a timeout
        self.vanished: set[str] = set()  # files that are in the listing but not there
        self.xet = False  # whether to say that weights are in Xet storage
        self.connections: set[socket.socket] = set()
        self.uploads: Path | None = None  # folder for repositories that are created here
        self.token = ""  # the token that may write

        self._cut: int | None = None
        self._times = 0
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def downloads(self) -> list[str]:
        """Return the files whose content was requested, in order."""
        return [r.path.split("/resolve/")[1].split("/", 1)[1] for r in self.requests if _is_download(r)]

    def add_repo(self, id: str, folder: Path, revision: str = "main", gated: bool = False) -> str:
        """Serve a folder as one revision of a repository. Return its commit hash, which depends on the content."""
        folder = Path(folder)
        digest = hashlib.sha1(id.encode())
        for path in _files(folder):
            digest.update(path.as_posix().encode() + (folder / path).read_bytes())
        repo = Repo(digest.hexdigest(), folder, gated)
        self.repos[id, revision] = self.repos[id, repo.commit] = repo
        return repo.commit

    def accept_uploads(self, folder: Path, token: str) -> None:
        """Let clients with this token create repositories, in this folder."""
        self.uploads, self.token = folder, token

    def cut_after(self, bytes: int | None, times: int = 10**9) -> None:
        """Close the connection after this many bytes of a file, in the next `times` files that are longer."""
        self._cut, self._times = bytes, times

    def use(self, monkeypatch, home: Path) -> None:
        """Make this process's client use this Hub, with its cache under home."""
        from huggingface_hub import constants
        from huggingface_hub.utils import close_session

        close_session()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", self.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    def env(self, home: Path) -> dict[str, str]:
        """Return the environment of another process whose client should use this Hub."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        return {**kept, "HF_ENDPOINT": self.url, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}

    def stop(self) -> None:
        """Close all connections and stop, as if the network had failed."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> HubServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.stalled.clear()
        self.stop()

    def take_cut(self, size: int) -> int | None:
        """Return how many bytes of a file to send before the connection is closed; None for all."""
        if self._cut is None or self._times <= 0 or size <= self._cut:
            return None
        self._times -= 1
        return self._cut


def _is_download(request: Request) -> bool:
    return request.method == "GET" and "/resolve/" in request.path


def _files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"
    routes = (
        ("GET", r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", "model_info"),
        ("HEAD", r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "file"),
        ("GET", r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "file"),
        ("POST", r"/api/repos/create", "create"),
    )

    def setup(self) -> None:
        super().setup()
        self.hub.connections.add(self.connection)

    def finish(self) -> None:
        self.hub.connections.discard(self.connection)
        super().finish()

    def answer(self) -> None:
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        about = (self.headers.get(name) for name in ("Range", "Authorization"))
        self.hub.requests.append(Request(self.command, unquote(url.path), *about))
        self.received = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.hub.mute.is_set():
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while self.hub.mute.is_set():
            self.wfile.write(b"X-Wait: more\r\n")
            time.sleep(0.1)
        if self.hub.status != 200:
            return self.error(self.hub.status, None)
        if self.command == "POST" and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self.error(401, None, "Invalid username or password.")
        for method, pattern, name in self.routes:
            match = re.fullmatch(pattern, url.path)
            if match and method == self.command:
                return getattr(self, name)(*(part and unquote(part) for part in match.groups()))
        self.error(404, None)

    do_GET = do_HEAD = do_POST = answer

    def model_info(self, id: str, revision: str | None) -> None:
        repo = self.find(id, revision or "main")
        if repo:
            siblings = [{"rfilename": path.as_posix()} for path in _files(repo.folder)]
            if "blobs" in self.query:
                for file in siblings:
                    size = (repo.folder / file["rfilename"]).stat().st_size
                    file["size"] = self.hub.claimed.get(file["rfilename"], size)
            self.json({"id": id, "modelId": id, "sha": repo.commit, "siblings": siblings, "gated": repo.gated})

    def file(self, id: str, revision: str, name: str) -> None:
        repo = self.find(id, revision)
        if repo is None:
            return
        if repo.gated:
            return self.error(403, "GatedRepo", f"Access to model {id} is restricted.")
        path = repo.folder / name
        if not path.is_file() or name in self.hub.vanished:
            return self.error(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": repo.commit})
        content = path.read_bytes()
        is_large = path.suffix in (".safetensors", ".bin")
        git = hashlib.sha1(b"blob %d\0" % len(content) + content)  # the Hub's hash of a small file
        etag = (hashlib.sha256(content) if is_large else git).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": repo.commit, "Accept-Ranges": "bytes"}
        if is_large:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))}
            if self.hub.damaged:
                content = content[:-1] + bytes([content[-1] ^ 1])
            if self.hub.xet:
                headers |= {"X-Xet-Hash": etag, "X-Xet-Refresh-Route": f"{self.hub.url}/xet-read-token"}
        first = int(re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self.body(206 if first else 200, content[first:], headers)

    def create(self) -> None:
        wanted = json.loads(self.received)
        id = f"{wanted['organization']}/{wanted['name']}"
        if (id, "main") in self.hub.repos:
            return self.json({"error": "You already created this model repo", "url": f"{self.hub.url}/{id}"}, 409)
        folder = self.hub.uploads / id
        folder.mkdir(parents=True)
        self.hub.add_repo(id, folder)
        self.json({"url": f"{self.hub.url}/{id}"})

    def find(self, id: str, revision: str) -> Repo | None:
        """Return the repository, or None after the Hub's answer for a repository that does not exist."""
        if not any(known == id for known, _ in self.hub.repos):
            self.error(401, "RepoNotFound", "Invalid username or password.")
        elif (id, revision) not in self.hub.repos:
            self.error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return self.hub.repos[id, revision]

    def error(self, status: int, code: str | None, message: str = "", headers: dict | None = None) -> None:
        named = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
        self.body(status, json.dumps({"error": message}).encode(), {**named, **(headers or {})})

    def json(self, content: dict, status: int = 200) -> None:
        self.body(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def body(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self.hub.take_cut(len(content)) if status < 300 and "/resolve/" in self.path else None
        try:
            self.send_slowly(content[:cut])
        except OSError:  # the client closed the connection
            self.close_connection = True
        if cut is not None:
            self.close_connection = True

    def send_slowly(self, content: bytes) -> None:
        piece = 1 << 14
        for start in range(0, len(content), piece):
            if start:
                while self.hub.stalled.is_set():
                    time.sleep(0.02)
            self.wfile.write(content[start : start + piece])
            if self.hub.bytes_per_second:
                time.sleep(piece / self.hub.bytes_per_second)

    def log_message(self, *_) -> None:
        pass
