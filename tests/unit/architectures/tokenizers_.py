"""Small tokenizers that cut text as those of the real models do."""

import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

# How text is split before pairs of bytes are merged: Llama 3 has numbers of up to three digits, Qwen2 single ones.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,%d}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
SIZE = 800


def _texts() -> list[str]:
    prompts = [path.read_text() for path in sorted(Path("config/prompts").glob("*.txt"))]
    answers = [f"[({n}, {n}), ({n}, {127 - n % 128})]" for n in range(0, 1000, 3)]
    chat = ["user\n", "assistant\n", "model\n", "User:", "Assistant: Choice: 1", "USER: ", "ASSISTANT: Choice", "\n\n"]
    return prompts * 5 + answers + chat * 50


def _fast(tokenizer: Tokenizer, specials: list[str], **names) -> PreTrainedTokenizerFast:
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in specials])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, padding_side="left", **names
    )


def byte_level(style: str, specials: list[str], **names) -> PreTrainedTokenizerFast:
    """Byte-level BPE; style "llama3", "qwen2", or "digits" (SmolLM2: GPT-2's split, single digits)."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=style == "llama3"))
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=style == "digits")
    first = (
        pre_tokenizers.Digits(individual_digits=True)
        if style == "digits"
        else pre_tokenizers.Split(Regex(_SPLIT % (3 if style == "llama3" else 1)), "isolated")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([first, plain])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=SIZE, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_texts(), trainer)
    return _fast(tokenizer, specials, **names)


def pieces(style: str, specials: list[str], **names) -> PreTrainedTokenizerFast:
    """BPE with byte fallback, as SentencePiece has it; "gemma", or "llama2", which begins texts with a space."""
    first = ["<pad>", "<eos>", "<bos>", "<unk>"] if style == "gemma" else ["<unk>", "<s>", "</s>", "<pad>"]
    pad, eos, bos, unk = first if style == "gemma" else (first[3], first[2], first[1], first[0])
    draft = Tokenizer(models.BPE(unk_token=unk, byte_fallback=True, fuse_unk=True))
    draft.normalizer = normalizers.Replace(" ", "▁")
    cuts = [pre_tokenizers.Split("▁", "merged_with_next"), pre_tokenizers.Digits(individual_digits=True)]
    draft.pre_tokenizer = pre_tokenizers.Sequence([*cuts, pre_tokenizers.Split("\n", "isolated")])
    fixed = [*first, *(f"<0x{number:02X}>" for number in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=SIZE, special_tokens=fixed, show_progress=False)
    draft.train_from_iterator(_texts(), trainer)
    learnt = json.loads(draft.to_str())["model"]
    vocabulary = learnt["vocab"]
    for piece in ("▁", "\n", *"0123456789"):
        vocabulary.setdefault(piece, len(vocabulary))
    merges = [tuple(pair) for pair in learnt["merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token=unk, byte_fallback=True, fuse_unk=True))
    back = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if style == "gemma":
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
        back.append(decoders.Strip(" ", 1, 0))
    tokenizer.decoder = decoders.Sequence(back)
    tokens = {"pad_token": pad, "eos_token": eos, "bos_token": bos, "unk_token": unk}
    return _fast(tokenizer, [*first, *specials], **tokens, **names)
