"""A tiny model in every form it comes in, a cache of its own, and a hub on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import gguf
import numpy as np
import pytest

from midspan_engine.weights import catalogue, pulling
from midspan_engine.weights.catalogue import DataWheel, KnownModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Array = np.ndarray[Any, np.dtype[Any]]

HIDDEN, INNER, LAYERS, HEADS, KV_HEADS = 64, 96, 2, 4, 2
MARKS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)


def _letters() -> list[str]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters, extra = [], 0
    for byte in range(256):
        if byte in printable:
            letters.append(chr(byte))
        else:
            letters.append(chr(0x100 + extra))
            extra += 1
    return letters


MERGES = ["l o", "lo a", "loa d", "Ġ Ġ", "Ġ load", "( )"]
TOKENS = [*_letters(), *(merge.replace(" ", "") for merge in MERGES)]
PADDING = 3
VOCAB = len(TOKENS) + len(MARKS) + PADDING


@dataclass
class TinyModel:
    """A GGUF and what it should become."""

    path: Path
    sha256: str
    expected: dict[str, Array]


@dataclass(kw_only=True)
class GgufOptions:
    """What may differ between two tiny models."""

    architecture: str = "qwen2"
    head: str = "fine"  # "none", "fine" (the embedding in more bits) or "own"
    seed: int = 1
    scale: float = 1.0


def _matrices(options: GgufOptions) -> dict[str, Array]:
    random = np.random.default_rng(options.seed)

    def matrix(*shape: int) -> Array:
        return (random.standard_normal(shape) * options.scale).astype(np.float32)

    tensors = {"token_embd.weight": matrix(VOCAB, HIDDEN), "output_norm.weight": matrix(HIDDEN)}
    kv = HIDDEN // HEADS * KV_HEADS
    for layer in range(LAYERS):
        tensors |= {
            f"blk.{layer}.attn_norm.weight": matrix(HIDDEN),
            f"blk.{layer}.ffn_norm.weight": matrix(HIDDEN),
            f"blk.{layer}.attn_q.weight": matrix(HIDDEN, HIDDEN),
            f"blk.{layer}.attn_q.bias": matrix(HIDDEN),
            f"blk.{layer}.attn_k.weight": matrix(kv, HIDDEN),
            f"blk.{layer}.attn_k.bias": matrix(kv),
            f"blk.{layer}.attn_v.weight": matrix(kv, HIDDEN),
            f"blk.{layer}.attn_v.bias": matrix(kv),
            f"blk.{layer}.attn_output.weight": matrix(HIDDEN, HIDDEN),
            f"blk.{layer}.ffn_gate.weight": matrix(INNER, HIDDEN),
            f"blk.{layer}.ffn_up.weight": matrix(INNER, HIDDEN),
            f"blk.{layer}.ffn_down.weight": matrix(HIDDEN, INNER),
        }
    if options.head == "fine":
        tensors["output.weight"] = tensors["token_embd.weight"]
    elif options.head == "own":
        tensors["output.weight"] = matrix(VOCAB, HIDDEN)
    return tensors


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_block_count(LAYERS)
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*TOKENS, *MARKS, *(f"[PAD{i}]" for i in range(PADDING))])
    writer.add_token_types([1] * len(TOKENS) + [3] * len(MARKS) + [5] * PADDING)
    writer.add_token_merges(MERGES)
    writer.add_eos_token_id(len(TOKENS) + 2)
    writer.add_bos_token_id(len(TOKENS))


def _write_gguf(path: Path, options: GgufOptions) -> TinyModel:
    writer = gguf.GGUFWriter(path, options.architecture)
    _describe(writer)
    expected = {}
    for name, values in _matrices(options).items():
        if values.ndim == 1:
            writer.add_tensor(name, values)
            expected[name] = values
            continue
        # Q8_0 keeps a float16 scale for 32 values, so these may be larger than float16 can hold.
        coarse = name == "token_embd.weight" and options.head == "fine"
        kind = gguf.GGMLQuantizationType.Q4_0 if coarse else gguf.GGMLQuantizationType.Q8_0
        stored = gguf.quantize(values, kind)
        writer.add_tensor(name, stored, raw_dtype=kind)
        expected[name] = gguf.dequantize(stored, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return TinyModel(path, hashlib.sha256(path.read_bytes()).hexdigest(), expected)


@pytest.fixture
def make_gguf(tmp_path: Path) -> Callable[..., TinyModel]:
    def make(name: str = "tiny.gguf", **changes: Any) -> TinyModel:
        return _write_gguf(tmp_path / name, GgufOptions(**changes))

    return make


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep everything in a folder of the test, away from the network and from the user's cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MIDSPAN_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


@dataclass
class FakeHub:
    """Files by path, and how the server misbehaves."""

    endpoint: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    announced: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    break_after: list[int] = field(default_factory=list)
    knows_ranges: bool = True

    def add(self, repository: str, name: str, content: bytes) -> str:
        self.files[f"/{repository}/resolve/main/{name}"] = content
        return hashlib.sha256(content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub = cast("_Server", self.server).hub
        asked = self.headers.get("Range", "")
        hub.requests.append((self.path, asked))
        if self.path not in hub.files:
            self._head(404, 0)
            return
        content = hub.files[self.path]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and hub.knows_ranges else 0
        if start >= len(content):
            self._head(416, 0)
            return
        announced = hub.announced.get(self.path)
        self._head(206 if start else 200, len(content) - start, announced)
        if hub.break_after:
            self.wfile.write(content[start : start + hub.break_after.pop(0)])
            self.close_connection = True
            return
        self.wfile.write(content[start:])

    def _head(self, status: int, length: int, announced: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if announced:
            self.send_header("X-Linked-Etag", f'"{announced}"')
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's own name
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    hub: FakeHub
    daemon_threads = True


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    assert not cache.exists()
    server = _Server(("127.0.0.1", 0), _Handler)
    server.hub = FakeHub(endpoint=f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("HF_ENDPOINT", server.hub.endpoint)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.hub
    server.shutdown()
    thread.join()
    server.server_close()


def _wheel(folder: Path, project: str, member: str, content: bytes) -> DataWheel:
    module, version = project.replace("-", "_"), "0.9.0"
    info = f"{module}-{version}.dist-info"
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    data = path.read_bytes()
    return DataWheel(
        project=project,
        version=version,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        member=member,
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder the only package index that pip knows."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.fixture
def make_wheels(index: Path) -> Callable[[bytes], tuple[DataWheel, ...]]:
    """Spread a file over two data wheels of the index."""

    def make(content: bytes) -> tuple[DataWheel, ...]:
        half = len(content) // 2
        parts = (content[:half], content[half:])
        return tuple(
            _wheel(index, f"midspan-test-part{i}", f"midspan_test_part{i}/data/part.bin", part)
            for i, part in enumerate(parts, 1)
        )

    return make


@pytest.fixture
def make_known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., KnownModel]:
    """Make a tiny model the only one of the catalogue."""

    def make(tiny: TinyModel, wheels: tuple[DataWheel, ...] = ()) -> KnownModel:
        known = KnownModel(
            name="tiny-known",
            licence="Apache-2.0",
            origin="maker/tiny",
            file_name="tiny-q8.gguf",
            sha256=tiny.sha256,
            size_bytes=tiny.path.stat().st_size,
            hub_repository="maker/tiny-GGUF",
            room_bytes=1_000_000,
            wheels=wheels,
        )
        for module in (catalogue, pulling):
            monkeypatch.setattr(module, "KNOWN_MODELS", (known,))
        return known

    return make


@dataclass
class Notes:
    """A progress that remembers what it was told."""

    lines: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)

    def note(self, text: str) -> None:
        self.lines.append(text)

    def bar(self, label: str, total: int, done: int = 0) -> _Bar:
        self.totals[label], self.done[label] = total, done
        return _Bar(self, label)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass
class _Bar:
    notes: Notes
    label: str

    def __enter__(self) -> Callable[[int], None]:
        def advance(count: int, /) -> None:
            self.notes.done[self.label] += count

        return advance

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """A Hugging Face folder; `shards` maps a file name to raw tensors (dtype, shape, bytes)."""

    def make(
        shards: dict[str, dict[str, tuple[str, list[int], bytes]]], config: dict[str, object]
    ) -> Path:
        folder = tmp_path / "hf-model"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "tokenizer.json").write_text("{}")
        weight_map = {}
        for name, tensors in shards.items():
            header: dict[str, object] = {}
            body = b""
            for tensor, (dtype, shape, raw) in tensors.items():
                header[tensor] = {
                    "dtype": dtype,
                    "shape": shape,
                    "data_offsets": [len(body), len(body) + len(raw)],
                }
                body += raw
                weight_map[tensor] = name
            text = json.dumps(header).encode()
            (folder / name).write_bytes(len(text).to_bytes(8, "little") + text + body)
        if list(shards) != ["model.safetensors"]:
            index = {"metadata": {}, "weight_map": weight_map}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        return folder

    return make


@pytest.fixture
def make_qwen2(make_folder: Callable[..., Path]) -> Callable[..., Path]:
    """The Hugging Face folder of a whole tiny Qwen2; `stored` turns float32 into raw tensors."""

    def make(
        stored: Callable[[Array], tuple[str, list[int], bytes]], shards: int = 1, **config: object
    ) -> Path:
        hidden, narrow, inner = 8, 4, 12
        shapes: dict[str, tuple[int, ...]] = {
            "model.embed_tokens.weight": (20, hidden),
            "model.norm.weight": (hidden,),
            "model.layers.0.input_layernorm.weight": (hidden,),
            "model.layers.0.post_attention_layernorm.weight": (hidden,),
            "model.layers.0.self_attn.o_proj.weight": (hidden, hidden),
            "model.layers.0.mlp.gate_proj.weight": (inner, hidden),
            "model.layers.0.mlp.up_proj.weight": (inner, hidden),
            "model.layers.0.mlp.down_proj.weight": (hidden, inner),
            "lm_head.weight": (20, hidden),
        }
        for part, rows in (("q", hidden), ("k", narrow), ("v", narrow)):
            shapes[f"model.layers.0.self_attn.{part}_proj.weight"] = (rows, hidden)
            shapes[f"model.layers.0.self_attn.{part}_proj.bias"] = (rows,)
        described = {
            "model_type": "qwen2",
            "vocab_size": 20,
            "hidden_size": hidden,
            "intermediate_size": inner,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10_000.0,
            "tie_word_embeddings": True,
        }
        random = np.random.default_rng(5)
        values = {name: random.standard_normal(shape, np.float32) for name, shape in shapes.items()}
        values["lm_head.weight"] = values["model.embed_tokens.weight"]
        raw = {name: stored(value) for name, value in values.items()}
        names = sorted(raw)
        files = {"model.safetensors": raw}
        if shards > 1:
            files = {
                f"model-{n + 1:05}-of-{shards:05}.safetensors": {
                    name: raw[name] for name in names[n::shards]
                }
                for n in range(shards)
            }
        return make_folder(files, described | config)

    return make
