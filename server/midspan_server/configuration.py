"""Where settings come from: pushed or pulled, under the section `midspan` or bare."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from midspan_server.settings import Settings

if TYPE_CHECKING:
    from midspan_server.language_server import MidspanServer

_log = logging.getLogger(__name__)

SECTION = "midspan"
_KEYS = {field.encode_name for field in msgspec.structs.fields(Settings)}


def register(server: MidspanServer) -> None:
    """Add the handlers for changed settings and folders."""
    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(_did_change_configuration)
    server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(_did_change_folders)


def section(options: object) -> object:
    """Return our part of what a client sent; None where there is nothing in it.

    Clients push the settings of other servers too; what has no key of ours is not for us.
    """
    if isinstance(options, dict):
        if SECTION in options:
            return options[SECTION] or None
        if not options.keys() & _KEYS:
            return None
    return options or None


def merged(base: object, over: object) -> object:
    """Return `over` with what only `base` says, key by key; None says nothing."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return base if over is None else over
    return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}


async def pull(ls: MidspanServer) -> None:
    """Ask the client for the settings, if it answers that; an empty answer changes nothing."""
    workspace = ls.session.capabilities.workspace
    if workspace is None or not workspace.configuration:
        return
    wanted = types.ConfigurationParams(items=[types.ConfigurationItem(section=SECTION)])
    try:
        answers = await ls.workspace_configuration_async(wanted)
    except JsonRpcException as error:
        _log.warning("the client did not tell its settings: %s", error)
        return
    if answers and (options := section(answers[0])) is not None:
        ls.session.configure(options)


async def _did_change_configuration(
    ls: MidspanServer, params: types.DidChangeConfigurationParams
) -> None:
    options = section(params.settings)
    if options is None:
        await pull(ls)
    else:
        ls.session.configure(options)


def _did_change_folders(ls: MidspanServer, _params: types.DidChangeWorkspaceFoldersParams) -> None:
    ls.session.folders_changed()
