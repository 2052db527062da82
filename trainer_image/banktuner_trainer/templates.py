"""The Alpaca template as a chat template, for tokenizers that bring none of their own.

It is written into the published tokenizer, so that serving renders exactly the text that was trained on.
"""

ALPACA_INPUT = "\n\n### Input:\n"
"""Between an instruction and its input, inside one user message."""

ALPACA_FRAME = f"### Instruction:\n{ALPACA_INPUT}\n\n### Response:\n"
"""What stands around the words of a row, for a tokenizer to learn."""

_ALPACA = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'user' %}"
    "{{ '### Instruction:\\n' + message['content'] + '\\n\\n### Response:\\n' }}"
    "{% else %}{{ message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)


def alpaca_chat_template(with_bos: bool) -> str:
    """Jinja source. `with_bos`: the tokenizer starts a text with its begin-of-text token."""
    return ("{{ bos_token }}" if with_bos else "") + _ALPACA


def is_alpaca(chat_template: str | None) -> bool:
    """Whether a chat template is ours."""
    return bool(chat_template) and str(chat_template).endswith(_ALPACA)
