"""Architecture, initialisation and processor of the tiny Mllama (Llama 3.2 Vision in 1.4 M weights)."""

import math

import torch
from transformers import MllamaConfig, MllamaForConditionalGeneration, MllamaProcessor, PreTrainedTokenizerFast
from transformers.models.mllama.configuration_mllama import MllamaTextConfig, MllamaVisionConfig
from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil

from glioma.demo.tiny_vlm import tokenizer as words

IMAGE_SIZE = 64  # pixels a side: a 128-pixel slice is halved by the processor
PATCH = 8
GRID = IMAGE_SIZE // PATCH
HIDDEN = 128
HEADS = 4
SPREAD = 0.05  # standard deviation of fresh weights
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{% if message['content'] is string %}{{ message['content'] | trim }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|image|>{% elif part['type'] == 'text' %}{{ part['text'] | trim }}{% endif %}"
    "{% endfor %}{% endif %}"
    "<|eot_id|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


def processor(tokenizer: PreTrainedTokenizerFast) -> MllamaProcessor:
    """Image processor (PIL: no torchvision needed) and tokenizer behind the chat format of Llama 3."""
    images = MllamaImageProcessorPil(
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        max_image_tiles=1,
        image_mean=[0.25] * 3,
        image_std=[0.25] * 3,
    )
    return MllamaProcessor(images, tokenizer, chat_template=CHAT_TEMPLATE)


def configuration(tokenizer: PreTrainedTokenizerFast) -> MllamaConfig:
    """One 64-pixel tile of 8-pixel patches, three vision layers, four text layers of which two look at the image."""
    image_id = tokenizer.convert_tokens_to_ids(words.IMAGE)
    intermediate = [0]
    vision = MllamaVisionConfig(
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        attention_heads=HEADS,
        num_hidden_layers=2,
        num_global_layers=1,
        image_size=IMAGE_SIZE,
        patch_size=PATCH,
        max_num_tiles=1,
        supported_aspect_ratios=[[1, 1]],
        intermediate_layers_indices=intermediate,
        vision_output_dim=HIDDEN * (1 + len(intermediate)),
        initializer_range=SPREAD,
    )
    text = MllamaTextConfig(
        vocab_size=image_id,  # type: ignore[arg-type]
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=4,
        cross_attention_layers=[1, 3],
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=2048,
        initializer_range=SPREAD,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return MllamaConfig(vision_config=vision, text_config=text, image_token_index=image_id, initializer_range=SPREAD)  # type: ignore[arg-type]


def initialise(tokenizer: PreTrainedTokenizerFast) -> MllamaForConditionalGeneration:
    """A fresh model that can learn to locate within minutes.

    Mllama is made to be grafted on a finished language model, so its gates start closed and its vision positions start
    random. From scratch that does not learn where things are. Here the gates start open, vision positions start as
    two-dimensional sines and cosines, and neighbouring numbers start with similar rows in embedding and output layer.
    """
    model = MllamaForConditionalGeneration(configuration(tokenizer))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("cross_attn_attn_gate", "cross_attn_mlp_gate", "gate_attn", "gate_ffn")):
                weight.fill_(1.0)
        model.model.vision_model.gated_positional_embedding.embedding[1:] = grid_positions()
        rows = torch.tensor(words.number_ids(tokenizer))
        waves = number_waves(len(rows))
        model.lm_head.weight[rows] += 0.06 * waves
        model.get_input_embeddings().weight[rows] += 0.03 * waves  # type: ignore[index, operator]
    settings = model.generation_config
    settings.update(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=False)
    return model


def grid_positions() -> torch.Tensor:
    """Sines and cosines of patch row and patch column, (GRID * GRID, HIDDEN), after Vaswani et al. 2017."""
    frequency = 100.0 ** (-torch.arange(HIDDEN // 4) / (HIDDEN // 4))
    angle = torch.arange(GRID)[:, None] * frequency * math.pi / 2
    wave = torch.cat([angle.sin(), angle.cos()], dim=1)
    rows = wave[:, None].expand(GRID, GRID, -1)
    columns = wave[None, :].expand(GRID, GRID, -1)
    return torch.cat([rows, columns], dim=2).reshape(GRID * GRID, HIDDEN)


def number_waves(count: int) -> torch.Tensor:
    """Fourier features of the numbers below `count`, shape (count, HIDDEN): near numbers have near rows."""
    frequency = torch.logspace(math.log10(0.25), math.log10(16), HIDDEN // 2)
    angle = torch.arange(count)[:, None] / 128 * frequency * 2 * math.pi
    return torch.cat([angle.sin(), angle.cos()], dim=1)
