"""A made-up model for `swarm demo`: real safetensors files with noise for weights."""

from __future__ import annotations

import json
import random
import struct
from typing import Final

TENSOR_BYTES: Final = 4 << 20
"""One tensor: 1024 x 2048 numbers of two bytes."""

NOTE: Final = b"# demo\n\nNoise in the form of a model, made by `swarm demo`.\n"


def make(size: int, seed: int = 0) -> dict[str, bytes]:
    """Files of a model with about `size` bytes of weights in two shards; the same for the same seed."""
    noise = random.Random(seed)  # noqa: S311  # weights of a toy, not a secret
    count = max(1, size // (2 * TENSOR_BYTES))
    shards = {
        f"model-{number:05}-of-00002.safetensors": _safetensors(
            {f"layers.{number}.{index}.weight": noise.randbytes(TENSOR_BYTES) for index in range(count)}
        )
        for number in (1, 2)
    }
    config = {"architectures": ["DemoModel"], "hidden_size": 2048, "num_hidden_layers": 2 * count}
    return {
        "README.md": NOTE,
        "config.json": json.dumps(config, indent=2).encode(),
        "tokenizer.json": json.dumps({"vocab": {f"token{n}": n for n in range(5000)}}).encode(),
        **shards,
    }


def _safetensors(tensors: dict[str, bytes]) -> bytes:
    """The safetensors format: u64 length of a JSON header, the header, the tensors behind one another."""
    header, end = {}, 0
    for name, data in tensors.items():
        shape, place = [len(data) // 4096, 2048], [end, end + len(data)]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": place}
        end += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(tensors.values())
