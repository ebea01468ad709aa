"""Base models, their processors and adapters, from folders as `save_pretrained` writes them."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedModel,
    ProcessorMixin,
)

from glioma.base.digests import sha256
from glioma.base.errors import UserError
from glioma.base.files import find, read_json
from glioma.vlm import layers, processors
from glioma.vlm.settings import ADAPTER_FILES, ENTRY

if TYPE_CHECKING:
    from peft import PeftModel

DIGESTS = "results/models/digests"
"""The folder of kept digests, beside the models that are fetched; to delete it costs time."""


def device() -> torch.device:
    """CUDA if it is there, else the CPU with one thread; says which in the log."""
    if torch.cuda.is_available():
        chosen, name = torch.device("cuda"), torch.cuda.get_device_name()
    else:
        torch.set_num_threads(1)
        chosen, name = torch.device("cpu"), "one thread"
    print(f"device: {chosen} ({name})", flush=True)
    return chosen


def precision(base: Mapping | None = None) -> torch.dtype:
    """What weights are loaded in: what a model entry says, else bfloat16 on a GPU that has it, float16 on one that has
    not, float32 on the CPU."""
    if (said := (base or {}).get("precision", "auto")) != "auto":
        return getattr(torch, said)
    if not torch.cuda.is_available():
        return torch.float32
    # Without the argument an older GPU says yes as well, and is slow.
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def folder(base: Mapping) -> Path:
    """The folder of a model entry; `UserError` if it holds no model."""
    path = Path(base["path"]).expanduser()
    if not (path / "config.json").is_file():
        raise UserError(
            f"model {base['name']}: no config.json in {path}; build, fetch or name a save_pretrained folder"
        )
    return path


def _places(where: torch.device) -> str | dict | None:
    """Where weights go: to the one GPU, or layer by layer to all that this job has (`base.gpus`)."""
    if where.type != "cuda":
        return None
    return "auto" if torch.cuda.device_count() > 1 else {"": 0}


def _quantisation(base: Mapping, where: torch.device, dtype: torch.dtype) -> dict:
    """Arguments that load a model in 4 bits (NF4, Dettmers et al. 2023, QLoRA) if its entry asks for it."""
    if base.get("quantisation", "none") == "none":
        return {}
    if where.type != "cuda" or find_spec("bitsandbytes") is None:
        raise UserError(
            f"model {base['name']}: quantisation {base['quantisation']} needs CUDA and bitsandbytes; "
            "set quantisation: none or run it in the GPU environment"
        )
    with torch.device("meta"):
        blueprint = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(folder(base)))
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=layers.unquantised(blueprint),
    )
    return {"quantization_config": config}


def load(
    base: Mapping, adapter: str | Path | None = None, pretrained: Callable[[Mapping], tuple] | None = None
) -> tuple["PreTrainedModel | PeftModel", ProcessorMixin]:
    """A model in evaluation mode on the best device, and its processor; with a PEFT adapter's folder, adapted.

    `base` is a model entry: `name`, `path` (a `save_pretrained` folder) and what else it says of loading and encoding.
    `pretrained` makes model and processor of it in place of transformers. Whoever makes them, the model's own files do
    not say how it decodes, and an adapter applies whole or is refused.
    """
    check_weights(base)
    model, processor = (pretrained or _pretrained)(base)
    model.generation_config = neutral(model.generation_config)
    processors.prepare(processor, base)
    if adapter is not None:
        model = adapted(model, Path(adapter))
    return model.eval(), processor


def _pretrained(base: Mapping) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Model and processor by transformers.

    Weights are in `precision`, and go to a GPU as they are read: 11 billion of them need not fit in main memory first.
    """
    where, dtype, path = device(), precision(base), folder(base)
    told = _quantisation(base, where, dtype)
    if (attention := base.get("attention", "auto")) != "auto":
        told["attn_implementation"] = attention
    try:
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            path,
            output_loading_info=True,
            dtype=dtype,
            device_map=_places(where),
            use_safetensors=True,
            trust_remote_code=False,
            **told,
        )
        model, found = loaded
    # A model's files are foreign, and libraries raise what they please over them.
    except Exception as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise UserError(
            f"model {base['name']}: cannot load {path} ({processors.reason(error)}); fetch it again"
        ) from error
    processor = processors.load(base)
    _check_whole(f"model {base['name']}: {path}", found["missing_keys"], found["unexpected_keys"])
    return model, processor


def neutral(config: GenerationConfig) -> GenerationConfig:
    """A model's generation config without all that changes answers: which tokens end one is all that is left of it.

    transformers fills what a call leaves open from here, such as a repetition penalty that the model's files name.
    """
    ends = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return GenerationConfig(**ends)


def end_tokens(config: GenerationConfig, processor: ProcessorMixin) -> set[int]:
    """Tokens that end an answer: those of the model's generation config, or the tokenizer's."""
    ends = config.eos_token_id
    ends = processor.tokenizer.eos_token_id if ends is None else ends
    return set(ends) if isinstance(ends, Sequence) else {ends}


def check_weights(base: Mapping) -> None:
    """`UserError` for weights that cannot be loaded here, by their headers alone: cut off, quantised, not there."""
    path, name = folder(base), base["name"]
    _check_index(path, name)
    if "quantization_config" in read_json(path / "config.json") and not torch.cuda.is_available():
        raise UserError(
            f"model {name}: the weights in {path} are quantised already, which needs CUDA; name the plain model, or "
            "run where there is a GPU"
        )
    files = sorted(path.glob("*.safetensors"))
    if not files:
        raise UserError(f"model {name}: no .safetensors in {path}; fetch it again, or save it with safetensors")
    for file in files:
        try:
            with safe_open(file, "pt"):
                pass
        except (OSError, SafetensorError) as error:
            raise UserError(
                f"model {name}: {file} is damaged or cut off ({processors.reason(error)}); fetch it again"
            ) from None


def _check_index(path: Path, name: str) -> None:
    """The weights of a model lie in its folder: an index that names other files is refused."""
    index = path / "model.safetensors.index.json"
    if not index.is_file():
        return
    for file in sorted(set(read_json(index).get("weight_map", {}).values())):
        if Path(file).name != file or not (path / file).is_file():
            raise UserError(f"model {name}: {index} names {file}, which is no file in that folder; fetch it again")


def _check_whole(what: str, missing: Collection[str], unexpected: Collection[str]) -> None:
    """Weights that are not there would be random, and those that fit nowhere are left out: both are refused by name."""
    for names, fault in ((missing, "are missing from its files"), (unexpected, "fit nowhere in it")):
        if names:
            first = ", ".join(sorted(names)[:3])
            raise UserError(f"{what}: {len(names)} weights {fault}, such as {first}; fetch or make it again")


def adapted(model: PreTrainedModel, adapter: Path) -> "PeftModel":
    """A model with a PEFT adapter; `UserError` for one that applies in part only."""
    # Half a second, which a model off the shelf need not wait.
    from peft import PeftModel, get_peft_model_state_dict

    missing = [name for name in ADAPTER_FILES if not (adapter / name).is_file()]
    if missing:
        raise UserError(f"adapter {adapter}: {', '.join(missing)} missing; fine-tune it or name another adapter")
    try:
        adapted = PeftModel.from_pretrained(model, str(adapter))
        with safe_open(adapter / ADAPTER_FILES[1], "pt") as weights:
            stored = set(weights.keys())
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"adapter {adapter}: does not fit the base model ({reason}); fine-tune it on this one"
        ) from error
    # PEFT warns of keys that do not fit, and answers as the plain model.
    wanted = set(get_peft_model_state_dict(adapted))
    _check_whole(f"adapter {adapter}", wanted - stored, stored - wanted)
    return adapted


def fingerprint(base: Mapping, adapter: str | Path | None = None) -> dict[str, str]:
    """What determines the model: what its entry says, and a digest of every file by name, its template's too."""
    said = {key: json.dumps(base[key], sort_keys=True) for key in ENTRY if key in base}
    digests = said | _digests("base", folder(base))
    if template := base.get("chat", {}).get("template"):
        digests["template"] = sha256(find(template), DIGESTS)
    return digests if adapter is None else digests | _digests("adapter", Path(adapter), ADAPTER_FILES)


def _digests(role: str, place: Path, names: tuple[str, ...] | None = None) -> dict[str, str]:
    paths = [place / name for name in names] if names else sorted(path for path in place.iterdir() if path.is_file())
    digests = {}
    for path in paths:
        digests[f"{role}/{path.name}"] = sha256(path, DIGESTS)
    return digests
