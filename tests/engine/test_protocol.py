"""The wire carries every message unchanged and refuses what is not ours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midspan_engine import protocol
from midspan_engine.protocol import (
    Cancel,
    Choice,
    DecodeStats,
    Edited,
    EditRequest,
    EngineStatus,
    Failure,
    Hello,
    Infill,
    InfillRequest,
    LikelihoodRequest,
    Likelihoods,
    Partial,
    Passage,
    PastEdit,
    ProtocolMismatch,
    RequestRejected,
    Snippet,
    StatusQuery,
    Welcome,
)

FROM_CLIENT = (
    Hello(client="t", token="x"),  # noqa: S106  no secret
    InfillRequest(id=1, session="s", prefix="a", snippets=(Snippet(path="p", text="t"),)),
    EditRequest(id=2, session="e", region="a\n", history=(PastEdit(path="p", diff="+a\n"),)),
    EditRequest(id=2, session="e", region="a\n", snippets=(Snippet(path="p", text="t"),)),
    LikelihoodRequest(id=4, session="e", passages=(Passage(path="p", text="a\n"),)),
    Cancel(id=3),
    StatusQuery(),
)
FROM_ENGINE = (
    Welcome(engine="1", pid=2),
    Partial(id=1, text="x"),
    Infill(
        id=1,
        document_version=2,
        choices=(Choice(text="x", finish="eos", confidence=0.5, mean_logprob=-1.0),),
        stats=DecodeStats(passes=3),
    ),
    Edited(id=2, document_version=1, finish="edit", text="b\n", edit_probability=0.5),
    Edited(id=2, document_version=1, finish="cancelled"),
    Likelihoods(id=4, document_version=1, finish="done", losses=((0.5, -1.0), ())),
    Failure(id=1, code="queue_full", message="later"),
    EngineStatus(state="ready", progress=1.0),
)


@pytest.mark.parametrize("message", FROM_CLIENT)
def test_client_messages_come_back_equal(message: Any) -> None:
    frame = protocol.encode(message)
    assert protocol.frame_length(frame[:4]) == len(frame) - 4
    assert protocol.decode_client(frame[4:]) == message


@pytest.mark.parametrize("message", FROM_ENGINE)
def test_engine_messages_come_back_equal(message: Any) -> None:
    assert protocol.decode_engine(protocol.encode(message)[4:]) == message


@given(st.text(), st.text())
def test_any_text_travels(prefix: str, suffix: str) -> None:
    request = InfillRequest(id=1, session="s", prefix=prefix, suffix=suffix)
    assert protocol.decode_client(protocol.encode(request)[4:]) == request


@given(st.binary(max_size=64))
def test_junk_is_a_mismatch_and_nothing_else(body: bytes) -> None:
    with pytest.raises(ProtocolMismatch):
        protocol.decode_client(b"\xc1" + body)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ProtocolMismatch, match="`session`"):
        protocol.decode_client(b"\x82\xa4type\xa6infill\xa2id\x01")


def test_a_frame_that_is_too_long_is_refused_on_both_sides() -> None:
    with pytest.raises(ProtocolMismatch, match="16 MiB"):
        protocol.frame_length(b"GET ")
    huge = InfillRequest(id=1, session="s", prefix="x" * protocol.MAX_FRAME_BYTES)
    with pytest.raises(RequestRejected) as refused:
        protocol.encode(huge)
    assert refused.value.code == "too_large"


def test_bytes_that_are_no_text_are_a_mismatch() -> None:
    frame = protocol.encode(InfillRequest(id=1, session="s", prefix="abc"))[4:]
    with pytest.raises(ProtocolMismatch):
        protocol.decode_client(frame.replace(b"abc", b"\xed\xa0\x80"))
