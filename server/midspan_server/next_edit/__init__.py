"""Next edit: the place that a change leads to, and what it should become.

Without a model: `hunks` reads the history, `regions` ranks the places to look at, and two proposers
find edits that follow from the syntax alone, the rest of a rename (`follow`) and the same change
again (`repeat`); `proposals` chooses between them. With it: `seeking` asks the engine about one
region after the other (`asking` makes the request, `rewritten` and `taken_back` read the answer),
and `judging` says whether the edit is worth showing. `flow` decides which of them is asked when;
`surface`, `delivery` and `hints` speak to the editor.
"""
