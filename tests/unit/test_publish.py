"""Publishing an adapter: what would be sent, and sending it to a small hub of the test's own by the real client."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import hub_client
import pandas as pd
import pytest
import torch
import yaml
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from configuration import resolved
from glioma.vlm import publish
from glioma.vlm.settings import ADAPTER_FILES

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
REPOSITORY = "owner/an-adapter"
FACTS = {
    "system": None,
    "study": "A study", "cohort": "phantom cohort", "phantom": True, "crops": "brain", "output": "grade",
    "prompt": "Classify {this} | scan:\n<0, 1, or 2>", "numbers": {"trained on": 20, "to validate": 10},
}  # fmt: skip


class Hub(BaseHTTPRequestHandler):
    """The part of the hub's interface that an upload uses; what it is sent stands in `sent`."""

    sent: dict = {}

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self):
        path, body = self.path.split("?")[0], self.body()
        if path == "/api/repos/create":
            self.sent["repository"] = json.loads(body)
            return self.answer({"url": f"http://{self.headers['Host']}/{REPOSITORY}", "name": REPOSITORY})
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if path == f"/api/models/{REPOSITORY}/preupload/main":
            files = [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                     for each in json.loads(body)["files"]]  # fmt: skip
            return self.answer({"files": files})
        if path == f"/api/models/{REPOSITORY}/commit/main":
            lines = [json.loads(line) for line in body.decode().splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            self.sent["files"] = {each["path"]: base64.b64decode(each["content"]) for each in files}
            url = f"http://{self.headers['Host']}/{REPOSITORY}/commit/{COMMIT}"
            return self.answer({"success": True, "commitOid": COMMIT, "commitUrl": url, "pullRequestUrl": None})
        return self.send_error(404)

    def do_GET(self):
        if self.path.startswith(f"/api/models/{REPOSITORY}"):
            return self.answer({"id": REPOSITORY, "sha": COMMIT, "siblings": [], "private": True})
        return self.send_error(404)

    def answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub():
    Hub.sent.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        return self.layer(x)


@pytest.fixture
def adapters(tmp_path):
    """Two folds' adapters as PEFT saves them, with a path of this machine in them."""
    found = {}
    for fold in (1, 2):
        model = get_peft_model(Small(), LoraConfig(r=2, target_modules=["layer"], init_lora_weights=False))
        model.peft_config["default"].base_model_name_or_path = str(tmp_path / "models" / "here")
        model.save_pretrained(tmp_path / "adapters" / f"fold{fold}")
        found[fold] = tmp_path / "adapters" / f"fold{fold}"
    return found


def entry() -> dict:
    adapter = resolved()["adapters"]["classification"]
    return adapter | {"publish": {"repository": REPOSITORY, "private": True, "licence": "llama3.2"}}


def summary() -> pd.DataFrame:
    rows = [("run-a", "test", "balanced_accuracy_all", 0.6543, 0.5, 0.8), ("run-a", "train", "recall_all", 1, 1, 1),
            ("run-a", "pooled", "specificity_all", float("nan"), float("nan"), float("nan"))]  # fmt: skip
    table = pd.DataFrame(rows, columns=["run", "cohort", "metric", "value", "low", "high"])
    return table.assign(slices="all", orientation="axial", n=10)


def test_the_card_says_what_the_adapter_is():
    text = publish.card("grade", entry(), {"source": "owner/base", "revision": COMMIT}, FACTS, summary())
    _, front, body = text.split("---\n", 2)
    data = yaml.safe_load(front)
    assert (data["license"], data["base_model"], data["library_name"]) == ("llama3.2", "owner/base", "peft")
    assert "Not for clinical use" in body and "Phantom results" in body and COMMIT in body
    assert FACTS["prompt"] in body and "20 trained on, 10 to validate" in body
    assert "| run-a | test | all, axial | balanced_accuracy_all | 0.654 | 0.500 to 0.800 | 10 |" in body
    assert "| specificity_all | undefined | none |" in body and "recall_all" not in body
    assert "flair of slices (axial) of brain crops, one picture a question" in body and "system prompt" not in body
    pack = entry() | {"picture": {"sequences": ["flair", "t2"], "neighbours": [0, 2], "arrange": "montage"}}
    text = publish.card("grade", pack, {"source": "embedded"}, FACTS | {"system": "Be brief."}, summary()[:0])
    assert "flair, flair +2, t2, t2 +2 of slices" in text and "as montage" in text and "Be brief." in text
    real = publish.card("grade", entry(), {"source": "embedded"}, FACTS | {"phantom": False}, summary()[:0])
    assert "Phantom" not in real and "base_model" not in real and "No run of the study asks it" in real


def test_what_would_be_sent_loads_with_peft_and_names_no_path(adapters, tmp_path):
    publish.prepare(tmp_path / "hub", adapters, {"source": "owner/base", "revision": COMMIT}, "card")
    files = {str(path.relative_to(tmp_path / "hub")) for path in (tmp_path / "hub").rglob("*") if path.is_file()}
    assert files == {"README.md", *ADAPTER_FILES, *(f"fold2/{name}" for name in ADAPTER_FILES)}
    x = torch.eye(4)
    for place, fold in ((tmp_path / "hub", 1), (tmp_path / "hub" / "fold2", 2)):
        text = (place / "adapter_config.json").read_text()
        assert json.loads(text)["base_model_name_or_path"] == "owner/base" and str(tmp_path) not in text
        sent, made = (PeftModel.from_pretrained(Small(), folder) for folder in (place, adapters[fold]))
        assert torch.equal(sent(x), made(x)) and not torch.equal(sent(x), Small()(x))


def published(endpoint: str, folder, private: bool = True) -> str:
    call = f"glioma.vlm.publish.publish({str(folder)!r}, {REPOSITORY!r}, {private})"
    return hub_client.said(call, endpoint, folder / "home", HF_TOKEN="hf_of_the_test", HF_HUB_DISABLE_XET="1")


@pytest.mark.parametrize("private", [True, False])
def test_what_was_prepared_is_what_the_hub_gets(hub, adapters, tmp_path, private):
    folder = tmp_path / "hub"
    publish.prepare(folder, adapters, {"source": "owner/base"}, "card")
    prepared = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / ".snakemake_timestamp").touch()  # as Snakemake leaves it in every folder that a rule makes
    assert published(hub, folder, private) == COMMIT
    assert Hub.sent["files"] == prepared
    made = Hub.sent["repository"]
    assert made["visibility"] == ("private" if private else "public") and made["name"] == "an-adapter"


def test_no_hub_is_one_line(tmp_path):
    (tmp_path / "hub").mkdir()
    line = published("http://127.0.0.1:9", tmp_path / "hub")
    assert line.startswith(f"adapter {REPOSITORY}: cannot publish it (") and "\n" not in line
