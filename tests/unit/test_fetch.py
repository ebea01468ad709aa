"""Fetching from a hub, which is a small server of the test's own: the real client, at a real commit."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import hub_client
import pytest

from glioma.base.errors import UserError
from glioma.vlm.fetch import fetch

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b"{}", "model.safetensors": b"weights", "pickle.bin": b"code", "tokenizer.model": b"words"}


class Hub(BaseHTTPRequestHandler):
    """The part of the hub's interface that a download uses; any other path is 404."""

    def do_GET(self):
        path = self.path.split("?")[0]
        if path in ("/api/models/owner/name", f"/api/models/owner/name/revision/{COMMIT}"):
            siblings = [{"rfilename": name} for name in FILES]
            body = json.dumps({"id": "owner/name", "sha": COMMIT, "siblings": siblings}).encode()
            return self.answer(body, "application/json")
        if path == f"/api/models/owner/name/tree/{COMMIT}":
            listed = [
                {"type": "file", "path": name, "size": len(body), "oid": name.encode().hex().ljust(40, "0")[:40]}
                for name, body in FILES.items()
            ]
            return self.answer(json.dumps(listed).encode(), "application/json")
        name = path.removeprefix(f"/owner/name/resolve/{COMMIT}/")
        if name in FILES:
            return self.answer(FILES[name], "application/octet-stream")
        return self.send_error(404)

    do_HEAD = do_GET

    def answer(self, body, kind):
        self.send_response(200)
        for header in (("Content-Type", kind), ("X-Repo-Commit", COMMIT), ("ETag", f'"{hash(body)}"')):
            self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def fetched(hub, revision, folder, source="owner/name"):
    model, note = str(folder / "model"), str(folder / "model.fetched.json")
    call = f"glioma.vlm.fetch.fetch({source!r}, {revision!r}, {model!r}, {note!r})"
    return hub_client.said(call, hub, folder / "home")


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_the_commit_is_recorded_and_only_harmless_files_come(hub, revision, tmp_path):
    assert fetched(hub, revision, tmp_path) == COMMIT
    assert json.loads((tmp_path / "model.fetched.json").read_text()) == {"source": "owner/name", "revision": COMMIT}
    assert (tmp_path / "model/model.safetensors").read_bytes() == b"weights"
    assert not (tmp_path / "model/pickle.bin").exists() and not (tmp_path / ".model.partial").exists()


def test_an_unknown_model_is_one_line_and_nothing_is_recorded(hub, tmp_path):
    line = fetched(hub, None, tmp_path, "owner/other")
    assert line.startswith("model owner/other: cannot fetch it (") and "\n" not in line
    assert not (tmp_path / "model.fetched.json").exists() and not (tmp_path / "model").exists()


def test_no_network_is_one_line(tmp_path):
    line = fetched("http://127.0.0.1:9", None, tmp_path)
    assert line.startswith("model owner/name: cannot fetch it (") and "\n" not in line


@pytest.mark.parametrize("revision", ["main", COMMIT[:7], COMMIT.upper()])
def test_a_revision_that_can_move_is_refused(tmp_path, revision):
    with pytest.raises(UserError, match="owner/name: revision"):
        fetch("owner/name", revision, tmp_path / "model", tmp_path / "model.fetched.json")
