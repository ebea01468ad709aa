"""Chat templates of our own that write what the real models' templates write, traps included.

Each holds the roles, where the image stands, what ends a turn, and how an answer begins: the things that training and
inference must agree about.
"""


def _each(part: str, image: str = "{{ image }}") -> str:
    """The parts of a message's content, text as it is."""
    return (
        "{%- for part in message['content'] -%}"
        "{%- if part['type'] == 'image' -%}" + image + "{%- else -%}" + part + "{%- endif -%}"
        "{%- endfor -%}"
    )


TEXT = "{{ part['text'] }}"

MLLAMA = (
    "{{ bos_token }}{%- for message in messages -%}"
    "<|start_header_id|>{{ message['role'] }}<|end_header_id|>{{ '\\n\\n' }}"
    + _each(TEXT, "<|image|>")
    + "<|eot_id|>{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|start_header_id|>assistant<|end_header_id|>{{ '\\n\\n' }}{%- endif -%}"
)


def chatml(image: str, system: str = "", thinks: bool = False) -> str:
    """Turns between <|im_start|> and <|im_end|>; a thinking model's answer opens a block, which past answers close."""
    first = f"<|im_start|>system{{{{ '\\n' }}}}{system}<|im_end|>{{{{ '\\n' }}}}" if system else ""
    shown = image.replace("\n", "{{ '\\n' }}")
    past = "{%- if message['role'] == 'assistant' -%}<think>{{ '\\n\\n' }}</think>{{ '\\n\\n' }}{%- endif -%}"
    opened = "{%- if enable_thinking is defined and not enable_thinking -%}<think>{{ '\\n\\n' }}</think>{{ '\\n\\n' }}"
    opened += "{%- else -%}<think>{{ '\\n' }}{%- endif -%}"
    return (
        first
        + "{%- for message in messages -%}<|im_start|>{{ message['role'] }}{{ '\\n' }}"
        + (past if thinks else "")
        + _each(TEXT, shown)
        + "<|im_end|>{{ '\\n' }}{%- endfor -%}"
        + "{%- if add_generation_prompt -%}<|im_start|>assistant{{ '\\n' }}"
        + (opened if thinks else "")
        + "{%- endif -%}"
    )


QWEN = chatml("<|vision_start|><|image_pad|><|vision_end|>", "You are a helpful assistant.")

GEMMA = (
    "{{ bos_token }}{%- for message in messages -%}<start_of_turn>"
    "{{ 'model' if message['role'] == 'assistant' else message['role'] }}{{ '\\n' }}"
    + _each("{{ part['text'] | trim }}", "<start_of_image>")
    + "<end_of_turn>{{ '\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<start_of_turn>model{{ '\\n' }}{%- endif -%}"
)


def utterances(begin: str) -> str:
    """Idefics3's and SmolVLM's: an answer that is known stands after a space, one to come after none."""
    return (
        begin
        + "{%- for message in messages -%}{{ message['role'] | capitalize }}:"
        + "{%- if message['content'][0]['type'] == 'text' -%}{{ ' ' }}{%- endif -%}"
        + _each(TEXT, "<image>")
        + "<end_of_utterance>{{ '\\n' }}{%- endfor -%}"
        + "{%- if add_generation_prompt -%}Assistant:{%- endif -%}"
    )


def _image_first(turn: str) -> str:
    """Images of a message, then its texts, whatever their order."""
    images = "{%- for part in message['content'] if part['type'] == 'image' -%}" + turn + "{%- endfor -%}"
    return images + "{%- for part in message['content'] if part['type'] == 'text' -%}{{ part['text'] }}{%- endfor -%}"


VICUNA = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}USER: {% else %}ASSISTANT: {% endif -%}"
    + _image_first("<image>{{ '\\n' }}")
    + "{{ ' ' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}ASSISTANT:{%- endif -%}"
)

MISTRAL = (
    "{%- for message in messages -%}{%- if message['role'] == 'user' -%}[INST] {% endif -%}"
    + _image_first("<image>{{ '\\n' }}")
    + "{%- if message['role'] == 'user' %} [/INST]{% else %}</s>{% endif -%}"
    "{%- endfor -%}"
)

ONEVISION = (
    "{%- for message in messages -%}<|im_start|>{{ message['role'] + ' ' }}"
    + _image_first("<image>{{ '\\n' }}")
    + "<|im_end|>{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|im_start|>assistant{{ '\\n' }}{%- endif -%}"
)
