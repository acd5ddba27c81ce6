"""Subcommands of `midspan`: modules with HELP, add_arguments(parser) and run(args) -> exit code."""
