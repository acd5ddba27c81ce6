"""`midspan serve`: the engine over HTTP, for clients that already speak somebody's API."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from midspan_engine.commands import engine
from midspan_engine.http.guard import read_keys
from midspan_engine.http.run import ServeConfig, serve
from midspan_engine.http.service import Limits
from midspan_engine.protocol import MidspanError

HELP = "serve completions over HTTP (OpenAI's, Mercury's and llama.cpp's APIs)"
_KIB = 1024
_LAST_PORT = 65_535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    engine.add_engine_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_port, default=8078, help="0: any that is free")
    parser.add_argument(
        "--api-key-file",
        type=Path,
        default=None,
        help="file with one API key a line; needed for any address but this machine's",
    )
    parser.add_argument(
        "--editors",
        action="store_true",
        help="also serve this user's editors on the engine's socket, if no engine does yet",
    )
    parser.add_argument(
        "--effort",
        choices=("draft", "balanced", "verified"),
        default="verified",
        help="where a request names none",
    )
    defaults = Limits()
    parser.add_argument(
        "--most-requests", type=int, default=defaults.requests, help="at a time; more get 429"
    )
    parser.add_argument(
        "--most-tokens", type=int, default=defaults.tokens, help="of one answer, 512 at most"
    )
    parser.add_argument(
        "--most-body-kb", type=int, default=defaults.body_bytes // _KIB, help="of one request"
    )
    parser.add_argument(
        "--timeout-s", type=float, default=defaults.patience_s, help="of one request"
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to {_LAST_PORT}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Serve until stopped; the exit code."""
    engine.log_to_stderr(verbose=args.verbose)
    try:
        config = ServeConfig(
            engine=engine.config_of(args),
            host=args.host,
            port=args.port,
            keys=read_keys(args.api_key_file) if args.api_key_file else (),
            limits=Limits(
                body_bytes=args.most_body_kb * _KIB,
                requests=args.most_requests,
                patience_s=args.timeout_s,
                tokens=min(args.most_tokens, Limits().tokens),
            ),
            effort=args.effort,
            editors=args.editors,
        )
        return serve(config)
    except (MidspanError, OSError) as error:
        print(f"midspan serve: {error}", file=sys.stderr)
        return 1
