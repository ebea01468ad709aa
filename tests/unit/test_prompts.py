import pytest

from glioma import prompts
from glioma.errors import UserError


def test_a_prompt_is_read_as_written_without_surrounding_space(tmp_path):
    (tmp_path / "p.txt").write_text("\n Wo ist der Tumor (größter)?\nAntworte kurz. \n\n", encoding="utf-8")
    assert prompts.read(tmp_path / "p.txt") == "Wo ist der Tumor (größter)?\nAntworte kurz."


@pytest.mark.parametrize("content", [b" \n\t", b"\xff\xfe", None], ids=["empty", "not UTF-8", "missing"])
def test_a_bad_prompt_file_is_named_in_one_line(tmp_path, content):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="bad.txt") as caught:
        prompts.read(path)
    assert "\n" not in str(caught.value)


def test_messages_hold_text_and_image_in_the_order_asked_for():
    user, assistant = prompts.messages("Where?", "(1, 2)")
    assert [part["type"] for part in user["content"]] == ["text", "image"]
    assert assistant["content"] == [{"type": "text", "text": "(1, 2)"}]
    (only,) = prompts.messages("Where?", image_first=True)
    assert [part["type"] for part in only["content"]] == ["image", "text"]
