"""Small random damage to texts and bytes."""

from __future__ import annotations

from random import Random

# Pieces that parsers trip over.
PIECES = (
    *(
        '"',
        "'",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\\",
        "\n",
        "\r",
        "\t",
        "\0",
        "`",
        "```",
        "```json\n",
        '"""',
        "...",
        "…",
    ),
    *("-", "+", ".", "e9", "1e999", "-0", "00", "0x1", "1_0", "NaN", "Infinity", "null", "true", "５", "²", "½", "١"),
    *(
        "\u2028",
        "\u0085",
        "\ufeff",
        "\u202e",
        "\ud800",
        "\udfff",
        "é",
        "𝟜",
        "\x1b[2J",
        "&",
        "*",
        "&a",
        "*a",
        "<<:",
        "!!",
    ),
    *("---", "?", "|", ">", "%", "@", "#", "<think>", "</think>", "<score>", "</score>", "<|channel|>", "{{ item }}"),
    *("{% raw %}", "99999999999999999999", "=1+1", ";", "__class__", "/", "//", "/*", "$", "~", " ", "  ", "\x7f"),
)


def mutated(text: str, random: Random, most: int = 8) -> str:
    """The text with a few pieces changed, taken, doubled, moved or put in."""
    for _ in range(random.randint(1, most)):
        at = random.randint(0, len(text))
        to = min(len(text), at + random.choice((1, 1, 1, 2, 5, 40)))
        way = random.randrange(6)
        if way == 0:
            text = text[:at] + text[to:]
        elif way == 1:
            text = text[:at] + random.choice(PIECES) + text[to:]
        elif way == 2:
            text = text[:at] + random.choice(PIECES) + text[at:]
        elif way == 3:
            text = text[:to] + text[at:to] * random.choice((1, 1, 2, 30)) + text[to:]
        elif way == 4:
            place = random.randint(0, len(text))
            text = text[:place] + text[at:to] + text[place:]
        elif random.random() < 0.3:
            text = text[:at]
    return text


def mutated_bytes(data: bytes, random: Random, most: int = 8) -> bytes:
    """The bytes with a few of them changed, taken, doubled or put in."""
    for _ in range(random.randint(1, most)):
        at = random.randint(0, len(data))
        to = min(len(data), at + random.choice((1, 1, 2, 4, 16, 200)))
        way = random.randrange(4)
        if way == 0:
            data = data[:at] + random.randbytes(to - at) + data[to:]
        elif way == 1:
            data = data[:at] + data[to:]
        elif way == 2:
            data = data[:at] + random.randbytes(random.randint(1, 4)) + data[at:]
        elif random.random() < 0.3:
            data = data[:at]
    return data
