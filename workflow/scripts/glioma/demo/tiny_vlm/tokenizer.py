"""A byte-level BPE tokenizer in the style of Llama 3, trained on the recipe's own wordings and answers."""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

BEGIN, END, PAD = "<|begin_of_text|>", "<|eot_id|>", "<|pad|>"
HEADER, HEADER_END, IMAGE = "<|start_header_id|>", "<|end_header_id|>", "<|image|>"
NUMBERS = range(256)
# Llama 3's way of cutting text into words: one to three digits together, a space goes with the word after it.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Often enough that each number becomes one token before the vocabulary is full.
NUMBER_WEIGHT = 2000


def train(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a tokenizer whose text vocabulary has at most `vocabulary` entries, plus `<|image|>` as the very last.

    Mllama wants the image token's id to equal `vocab_size`: its embedding has eight rows more than its output layer.
    Every number 0 to 255 is a single token, so that a coordinate is one decision of the model and not two or three.
    """
    bpe = Tokenizer(models.BPE(ignore_merges=True))
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[BEGIN, END, PAD, HEADER, HEADER_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    numbers = " ".join(map(str, NUMBERS))
    bpe.train_from_iterator([*texts, *[numbers] * NUMBER_WEIGHT], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[HEADER, HEADER_END],
        extra_special_tokens={"image_token": IMAGE},
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def number_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The token id of each number 0 to 255."""
    return tokenizer.convert_tokens_to_ids([str(number) for number in NUMBERS])  # type: ignore[return-value]
