"""Tiny, randomly initialised models of real classes, with their real processors, made offline.

`build(name, folder)` writes one as `save_pretrained` does; `NAMES` are those there are. Their tokenizers cut text as
the real ones do, their chat templates are written after what the real ones write (see `templates`), their sizes are
the smallest at which an image still goes the way that it goes in the real model: tiles, crops, thumbnails and all.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import transformers as tf
from transformers.utils import is_torchvision_available

from architectures import templates
from architectures.tokenizers_ import byte_level, pieces

VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN = [*CHATML, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
TILES = ["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>"]
TILES += [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]

_BUILDERS: dict[str, Callable] = {}


def _builder(function: Callable) -> Callable:
    _BUILDERS[function.__name__] = function
    return function


def _text(tokenizer, **more) -> dict:
    """The language part of nearly all."""
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    lengths = {"num_key_value_heads": 2, "vocab_size": len(tokenizer), "max_position_embeddings": 16384}
    return sizes | lengths | ids | more


def _images(name: str, **settings):
    """An image processor without torchvision, as the class is called there."""
    return getattr(tf, f"{name}Pil")(**settings)


def _ends(model, tokenizer, *tokens: str) -> None:
    """What the model's own generation config says ends an answer."""
    ends = tokenizer.convert_tokens_to_ids(list(tokens))
    model.generation_config = tf.GenerationConfig(
        eos_token_id=ends, pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id
    )


@_builder
def mllama():
    specials = ["<|begin_of_text|>", "<|eot_id|>", "<|pad|>", "<|start_header_id|>", "<|end_header_id|>", "<|image|>"]
    names = {"bos_token": specials[0], "eos_token": specials[1], "pad_token": specials[2]}
    tokenizer = byte_level("llama3", specials, **names, extra_special_tokens={"image_token": "<|image|>"})
    images = _images("MllamaImageProcessor", size={"height": 112, "width": 112}, max_image_tiles=4)
    processor = tf.MllamaProcessor(images, tokenizer, chat_template=templates.MLLAMA)
    # The image token is the last one, beyond the output layer.
    text = _text(tokenizer, vocab_size=len(tokenizer) - 1, num_hidden_layers=4, cross_attention_layers=[1, 3])
    ratios = [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]]
    vision = VISION | {"attention_heads": 2, "num_global_layers": 1, "image_size": 112, "patch_size": 28}
    vision |= {"max_num_tiles": 4, "intermediate_layers_indices": [0, 1], "vision_output_dim": 96}
    config = tf.MllamaConfig(
        vision_config=vision | {"supported_aspect_ratios": ratios},
        text_config=text | {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}},
        image_token_index=tokenizer.convert_tokens_to_ids("<|image|>"),
    )
    model = tf.MllamaForConditionalGeneration(config)
    for name, gate in model.named_parameters():
        if "gate" in name and gate.numel() == 1:
            gate.data.fill_(1.0)  # zero at first: no gradient would reach the vision part
    return model, processor


def _qwen(kind: str, images, vision: dict, template: str, **rope):
    tokenizer = byte_level("qwen2", QWEN, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    # It needs torchvision; vLLM will not do without it.
    with_video = {"video_processor": tf.Qwen2VLVideoProcessor() if is_torchvision_available() else None}
    processor = getattr(tf, f"{kind}Processor")(images, tokenizer, **with_video, chat_template=template)
    ids = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    ids |= {"vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>"}
    tokens = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in ids.items()}
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 6, 6], **rope}
    # Heads of 32: the least that vLLM computes on a CPU.
    text = _text(tokenizer, rope_parameters=rope, num_attention_heads=2, num_key_value_heads=1)
    config = getattr(tf, f"{kind}Config")(text_config=text, vision_config=vision, **tokens)
    model = getattr(tf, f"{kind}ForConditionalGeneration")(config)
    _ends(model, tokenizer, "<|im_end|>", "<|endoftext|>")
    model.generation_config.repetition_penalty = 1.05  # as it is shipped
    return model, processor


@_builder
def qwen2_vl():
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2, "num_heads": 2}
    return _qwen("Qwen2VL", _images("Qwen2VLImageProcessor"), vision, templates.QWEN)


@_builder
def qwen2_5_vl():
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64}
    vision |= {"fullatt_block_indexes": [1], "window_size": 112}
    return _qwen("Qwen2_5_VL", _images("Qwen2VLImageProcessor"), vision, templates.QWEN)


def _qwen3(template: str):
    images = _images("Qwen2VLImageProcessor", patch_size=16, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    vision = {"depth": 3, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64}
    vision |= {"num_position_embeddings": 2304, "deepstack_visual_indexes": [0, 1]}
    return _qwen("Qwen3VL", images, vision, template, mrope_interleaved=True)


@_builder
def qwen3_vl():
    return _qwen3(templates.chatml("<|vision_start|><|image_pad|><|vision_end|>"))


@_builder
def qwen3_vl_thinking():
    return _qwen3(templates.chatml("<|vision_start|><|image_pad|><|vision_end|>", thinks=True))


@_builder
def gemma3():
    specials = ["<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>"]
    images = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    tokenizer = pieces("gemma", specials, extra_special_tokens=images)
    pictures = _images("Gemma3ImageProcessor", size={"height": 112, "width": 112})
    processor = tf.Gemma3Processor(pictures, tokenizer, chat_template=templates.GEMMA, image_seq_length=16)
    text = _text(tokenizer, num_hidden_layers=3, head_dim=16, sliding_window=512, query_pre_attn_scalar=16)
    text |= {"layer_types": ["sliding_attention", "sliding_attention", "full_attention"]}
    ids = {"boi": "<start_of_image>", "eoi": "<end_of_image>", "image": "<image_soft_token>"}
    config = tf.Gemma3Config(
        text_config=text,
        vision_config=VISION | {"image_size": 112, "patch_size": 14, "vision_use_head": False},
        mm_tokens_per_image=16,
        **{f"{name}_token_index": tokenizer.convert_tokens_to_ids(token) for name, token in ids.items()},
    )
    model = tf.Gemma3ForConditionalGeneration(config)
    # Zero at first, as Mllama's gates.
    model.model.multi_modal_projector.mm_input_projection_weight.data.normal_(std=0.1)
    _ends(model, tokenizer, "<eos>", "<end_of_turn>")
    return model, processor


@_builder
def idefics3():
    specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|pad|>", *TILES]
    names = {"bos_token": specials[0], "eos_token": specials[1], "pad_token": specials[2]}
    tokenizer = byte_level("llama3", specials, **names)
    images = _images("Idefics3ImageProcessor", size={"longest_edge": 224}, max_image_size={"longest_edge": 112})
    template = templates.utterances("<|begin_of_text|>")
    processor = tf.Idefics3Processor(images, tokenizer, image_seq_len=16, chat_template=template)
    return _tiled(tf.Idefics3Config, tf.Idefics3ForConditionalGeneration, tokenizer, processor, "<|end_of_text|>")


@_builder
def smolvlm():
    specials = [*CHATML, *TILES]
    extra = {"image": "<image>", "fake_image": "<fake_token_around_image>", "global_image": "<global-img>"}
    extra = {f"{name}_token": token for name, token in (extra | {"end_of_utterance": "<end_of_utterance>"}).items()}
    names = {"bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>", "pad_token": "<|im_end|>"}
    tokenizer = byte_level("digits", specials, **names, extra_special_tokens=extra)
    images = _images("SmolVLMImageProcessor", size={"longest_edge": 224}, max_image_size={"longest_edge": 112})
    template = templates.utterances("<|im_start|>")
    processor = tf.SmolVLMProcessor(images, tokenizer, None, image_seq_len=16, chat_template=template)
    return _tiled(tf.SmolVLMConfig, tf.SmolVLMForConditionalGeneration, tokenizer, processor, "<end_of_utterance>")


def _tiled(config: type, kind: type, tokenizer, processor, end: str):
    """A model of Idefics3's family: an image in tiles, and once more as a whole."""
    text = {"model_type": "llama"} | _text(tokenizer)
    vision = VISION | {"image_size": 112, "patch_size": 14}
    image = tokenizer.convert_tokens_to_ids("<image>")
    made = config(text_config=text, vision_config=vision, scale_factor=2, image_token_id=image)
    model = kind(made)
    _ends(model, tokenizer, end, "<end_of_utterance>")
    return model, processor


CLIP = VISION | {"model_type": "clip_vision_model", "image_size": 112, "patch_size": 14, "projection_dim": 32}
CUT = {"size": {"shortest_edge": 112}, "crop_size": {"height": 112, "width": 112}}
PATCHES = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}


@_builder
def llava():
    tokenizer = pieces("llama2", ["<image>"], extra_special_tokens={"image_token": "<image>"})
    images = _images("CLIPImageProcessor", **CUT)
    processor = tf.LlavaProcessor(images, tokenizer, **PATCHES, chat_template=templates.VICUNA)
    text = {"model_type": "llama"} | _text(tokenizer)
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = tf.LlavaConfig(text_config=text, vision_config=CLIP, image_token_index=image, image_seq_length=64)
    return tf.LlavaForConditionalGeneration(config), processor


@_builder
def llava_next():
    tokenizer = pieces("llama2", ["<image>"], extra_special_tokens={"image_token": "<image>"})
    grid = [[112, 224], [224, 112], [224, 224], [336, 112], [112, 336]]
    images = _images("LlavaNextImageProcessor", **CUT, image_grid_pinpoints=grid)
    processor = tf.LlavaNextProcessor(images, tokenizer, **PATCHES, chat_template=templates.MISTRAL)
    text = {"model_type": "llama"} | _text(tokenizer)
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = tf.LlavaNextConfig(
        text_config=text,
        vision_config=CLIP,
        image_token_index=image,
        image_seq_length=64,
        image_grid_pinpoints=grid,
    )
    return tf.LlavaNextForConditionalGeneration(config), processor


@_builder
def llava_onevision():
    extra = {"image_token": "<image>", "video_token": "<video>"}
    names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    tokenizer = byte_level("qwen2", [*CHATML, *extra.values()], **names, extra_special_tokens=extra)
    grid = [[112 * rows, 112 * columns] for rows in range(1, 4) for columns in range(1, 4)]
    size = {"height": 112, "width": 112}
    images = _images("LlavaOnevisionImageProcessor", size=size, image_grid_pinpoints=grid)
    processor = tf.LlavaOnevisionProcessor(
        images,
        tokenizer,
        None,
        num_image_tokens=64,
        vision_feature_select_strategy="full",
        chat_template=templates.ONEVISION,
    )
    text = {"model_type": "qwen2"} | _text(tokenizer)
    vision = VISION | {"model_type": "siglip_vision_model", "image_size": 112, "patch_size": 14}
    ids = {f"{name[:5]}_token_index": tokenizer.convert_tokens_to_ids(token) for name, token in extra.items()}
    config = tf.LlavaOnevisionConfig(
        text_config=text,
        vision_config=vision | {"vision_use_head": False},
        image_grid_pinpoints=grid,
        **ids,
    )
    return tf.LlavaOnevisionForConditionalGeneration(config), processor


@_builder
def internvl():
    extra = {"context_image": "<IMG_CONTEXT>", "start_image": "<img>", "end_image": "</img>", "video": "<video>"}
    names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    specials = {f"{name}_token": token for name, token in extra.items()}
    tokenizer = byte_level("qwen2", [*CHATML, *extra.values()], **names, extra_special_tokens=specials)
    images = _images("GotOcr2ImageProcessor", size={"height": 112, "width": 112}, max_patches=12, min_patches=1)
    template = templates.chatml("<IMG_CONTEXT>\n")
    processor = tf.InternVLProcessor(images, tokenizer, None, image_seq_length=16, chat_template=template)
    text = {"model_type": "qwen2"} | _text(tokenizer)
    vision = VISION | {"image_size": [112, 112], "patch_size": [14, 14], "attention_bias": True}
    image = tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>")
    config = tf.InternVLConfig(text_config=text, vision_config=vision, image_token_id=image, image_seq_length=16)
    return tf.InternVLForConditionalGeneration(config), processor


@_builder
def paligemma():
    places = [f"<loc{number:04d}>" for number in range(1024)] + [f"<seg{number:03d}>" for number in range(128)]
    tokenizer = pieces("gemma", ["<image>", *places], extra_special_tokens={"image_token": "<image>"})
    images = _images("SiglipImageProcessor", size={"height": 112, "width": 112})
    images.image_seq_length = 64
    processor = tf.PaliGemmaProcessor(images, tokenizer)  # the real ones have no chat template
    text = {"model_type": "gemma2"} | _text(processor.tokenizer, head_dim=16, query_pre_attn_scalar=16)
    config = tf.PaliGemmaConfig(
        text_config=text,
        vision_config=VISION | {"image_size": 112, "patch_size": 14, "vision_use_head": False},
        image_token_index=processor.image_token_id,
        projection_dim=64,
        hidden_size=64,
    )
    return tf.PaliGemmaForConditionalGeneration(config), processor


NAMES = tuple(_BUILDERS)


def build(name: str, folder: Path) -> None:
    """Write the model and its processor into a folder."""
    torch.manual_seed(0)
    model, processor = _BUILDERS[name]()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
