"""Fixtures shared by unit tests. Heavy imports stay inside them: most tests need neither torch nor transformers."""

import gc
from pathlib import Path

import pytest


def pytest_collection_finish():
    """What was imported stays: statsmodels collects all garbage at every call, over millions of objects."""
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_mllama(tmp_path_factory) -> dict:
    """The model entry of a small real Mllama with untrained weights, in a folder as `save_pretrained` writes it."""
    import torch

    from glioma.demo.tiny_vlm import model, tokenizer

    prompts = [path.read_text() for path in Path("config/prompts").glob("*.txt")]
    answers = ["Choice: 0", "Choice: 1", "Choice: 2", *(f"[({n}, {n}), ({n}, {127 - n})]" for n in range(128))]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    processor = model.processor(tokenizer.train(prompts * 20 + answers * 20, 800))
    folder = tmp_path_factory.mktemp("tiny-mllama")
    model.initialise(processor.tokenizer).save_pretrained(folder)
    processor.save_pretrained(folder)
    return {"name": "tiny-mllama", "path": str(folder)}


@pytest.fixture(scope="session")
def small_crops(tmp_path_factory) -> Path:
    """A folder with the crops of `small_crops.PATIENTS`."""
    import small_crops

    folder = tmp_path_factory.mktemp("crops")
    small_crops.write(folder)
    return folder
