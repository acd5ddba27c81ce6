"""Next edit: the place that a change leads to, and what it should become.

This package needs no model. `hunks` reads the history, `regions` ranks the places that a model
should look at, and two proposers find edits that follow from the syntax alone: the rest of a rename
(`follow`), and the same change again (`repeat`). `proposals` chooses between them for an editor.
"""
