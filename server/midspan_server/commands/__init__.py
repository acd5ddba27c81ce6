"""The subcommands of `midspan` that the Language Server package brings."""
