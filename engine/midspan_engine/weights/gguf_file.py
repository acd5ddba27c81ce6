"""Reading a GGUF of the Qwen2 family: configuration, vocabulary and tensors, in other names."""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np

from midspan_engine.weights.errors import WeightsUnusable
from midspan_engine.weights.tensors import Tensor, rows_per_piece
from midspan_engine.weights.vocabulary import TokenKind, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Array = np.ndarray[Any, np.dtype[Any]]

_FAMILY = "qwen2"
_OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_INNER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# Quantising moves a matrix by 4 % (5 bits) to 30 % (2 bits); two unrelated ones differ by 140 %.
_SAME_MATRIX = 0.5
_SAMPLED_ROWS = 512
_KINDS = {1: TokenKind.NORMAL, 3: TokenKind.SPECIAL, 4: TokenKind.SPECIAL}


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the library raises about a damaged file into our error."""
    try:
        with np.errstate(over="raise"):
            yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise WeightsUnusable(_damaged(path, error)) from error
    except (struct.error, MemoryError) as error:
        raise WeightsUnusable(_damaged(path, error)) from error


def _damaged(path: Path, error: BaseException) -> str:
    return f"{path} cannot be read as GGUF ({error}); fetch it again"


class GgufFile:
    """An open, memory-mapped GGUF.

    Raises:
        WeightsUnusable: unreadable, cut off, not a GGUF, or not of the Qwen2 family.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _explained(path):
            self._reader = gguf.GGUFReader(path)
            family = self._value("general.architecture")
            if family != _FAMILY:
                raise WeightsUnusable(
                    f"{path} is of the family {family!r}; Midspan runs {_FAMILY!r} from GGUF"
                )
            self._stored = {tensor.name: tensor for tensor in self._reader.tensors}
            self.tied = self._is_tied()

    def config(self) -> dict[str, object]:
        """Return what `config.json` of the same model says.

        Raises:
            WeightsUnusable: a value is missing or of the wrong kind.
        """
        with _explained(self._path):
            return self._config()

    def _config(self) -> dict[str, object]:
        heads = self._number("attention.head_count")
        return {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": _FAMILY,
            "vocab_size": int(self._embedding().shape[1]),
            "hidden_size": self._number("embedding_length"),
            "intermediate_size": self._number("feed_forward_length"),
            "num_hidden_layers": self._number("block_count"),
            "num_attention_heads": heads,
            "num_key_value_heads": int(self._value(f"{_FAMILY}.attention.head_count_kv", heads)),
            "max_position_embeddings": self._number("context_length"),
            "rms_norm_eps": self._real("attention.layer_norm_rms_epsilon"),
            "rope_theta": self._real("rope.freq_base"),
            "tie_word_embeddings": self.tied,
            "hidden_act": "silu",
            "attention_dropout": 0.0,
            "use_sliding_window": False,
            "bos_token_id": int(self._value("tokenizer.ggml.bos_token_id", 151643)),
            "eos_token_id": int(self._value("tokenizer.ggml.eos_token_id", 151645)),
            "torch_dtype": "float16",
        }

    def vocabulary(self) -> Vocabulary:
        """Return tokens and merges.

        Raises:
            WeightsUnusable: the vocabulary is not the byte-level one of the Qwen2 family.
        """
        with _explained(self._path):
            return self._vocabulary()

    def _vocabulary(self) -> Vocabulary:
        model, splitter = self._value("tokenizer.ggml.model"), self._value("tokenizer.ggml.pre")
        if (model, splitter) != ("gpt2", _FAMILY):
            raise WeightsUnusable(f"{self._path} has a tokenizer {model!r}/{splitter!r}")
        kinds = self._value("tokenizer.ggml.token_type")
        return Vocabulary(
            tokens=tuple(self._value("tokenizer.ggml.tokens")),
            kinds=tuple(_KINDS.get(kind, TokenKind.UNUSED) for kind in kinds),
            merges=tuple(self._value("tokenizer.ggml.merges")),
        )

    def tensors(self) -> list[Tensor]:
        """Return all tensors under their Hugging Face names, to be dequantised when written.

        A tied file may hold its one matrix twice, coarse for look-ups and fine for the head; the
        fine one is kept.

        Raises:
            WeightsUnusable: a tensor that Qwen2 does not have; from the pieces, a damaged one.
        """
        result = []
        for name, stored in self._stored.items():
            if self.tied and name in ("output.weight", "token_embd.weight"):
                if stored is self._embedding():
                    result.append(self._tensor("model.embed_tokens.weight", stored))
                continue
            result.append(self._tensor(self._renamed(name), stored))
        return result

    def _renamed(self, name: str) -> str:
        if name in _OUTER:
            return _OUTER[name]
        match name.split("."):
            case ["blk", layer, inner, kind] if inner in _INNER:
                return f"model.layers.{layer}.{_INNER[inner]}.{kind}"
        raise WeightsUnusable(f"{self._path} holds a tensor {name!r} that Qwen2 does not have")

    def _tensor(self, name: str, stored: gguf.ReaderTensor) -> Tensor:
        shape = tuple(int(size) for size in reversed(stored.shape))
        step = rows_per_piece(shape)

        def pieces() -> Iterator[Array]:
            for start in range(0, shape[0], step):
                with _explained(self._path):
                    rows = stored.data[start : start + step]
                    piece = gguf.dequantize(rows, stored.tensor_type)
                yield piece

        return Tensor(name=name, shape=shape, pieces=pieces)

    def _is_tied(self) -> bool:
        """Tell whether the head is the embedding, stored again with finer quantisation."""
        embedding, head = self._named("token_embd.weight"), self._stored.get("output.weight")
        if head is None:
            return True
        if tuple(head.shape) != tuple(embedding.shape):
            return False
        step = max(1, int(head.shape[1]) // _SAMPLED_ROWS)
        one, other = (
            gguf.dequantize(tensor.data[::step], tensor.tensor_type) for tensor in (embedding, head)
        )
        return bool(np.linalg.norm(one - other) < _SAME_MATRIX * np.linalg.norm(one))

    def _embedding(self) -> gguf.ReaderTensor:
        candidates = [self._named("token_embd.weight")]
        if self.tied and "output.weight" in self._stored:
            candidates.append(self._stored["output.weight"])
        return max(candidates, key=lambda tensor: int(tensor.n_bytes))

    def _named(self, name: str) -> gguf.ReaderTensor:
        if name not in self._stored:
            raise WeightsUnusable(f"{self._path} holds no tensor {name!r}")
        return self._stored[name]

    def _number(self, key: str) -> int:
        return int(self._value(f"{_FAMILY}.{key}"))

    def _real(self, key: str) -> float:
        # Stored as float32; the shortest decimal that means the same float32 is what was meant.
        return float(str(np.float32(self._value(f"{_FAMILY}.{key}"))))

    def _value(self, key: str, default: object = None) -> Any:
        field = self._reader.get_field(key)
        if field is not None:
            return field.contents()
        if default is None:
            raise WeightsUnusable(f"{self._path} does not say {key!r}")
        return default
