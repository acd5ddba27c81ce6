"""The Language Server: gathers context, asks the engine, answers the editor. No torch."""
