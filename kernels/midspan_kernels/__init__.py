"""What a pass and a denoise step need on a GPU: Triton kernels, each with a plain-torch twin.

A public function checks its tensors and then runs the kernel where it can (CUDA tensors, or
`TRITON_INTERPRET=1`) and the twin in `reference` everywhere else; Triton need not be installed.

    head          score_rows          arg-max, ranks, confidence and draws without logits in memory
    attention     attend              few rows of many requests against paged keys
    rope          rotate_into_cache   queries and keys turned, keys and values written
                  move                cached keys turned to where they now stand
    norm          add_and_norm        residual, parts of a product, RMSNorm
    activation    gate                SwiGLU
    linear        multiply            bf16, int8, fp8 or int4, an adapter on chosen rows
    unmask        unmask              one denoise step: choose, commit, mask again
    verify        confirm             one verified step: confirm guesses, guess again

`python -m midspan_kernels.compile` compiles all of them without a GPU; `tolerances` says how far a
kernel may be from its twin. Left out, because on paper nothing is gained:

* Dense products of many rows without an adapter: cuBLAS moves the same bytes.
* 8-bit activations: a pass of 64 rows is bound by weights, not by arithmetic (an H100 needs some
  300 rows for that).
* A sum of split products of its own: `add_and_norm` takes the parts.
* The embedding lookup and the choice of hidden rows: single torch operations of a few kilobytes.
* An 8-bit cache: at 2,000 places the 0.5B reads 25 MB of keys and values beside 500 MB of weights.
* SwiGLU inside a product: each program would compute the gates of its rows again, and at 64 rows
  that costs as much as the launch it saves.
"""
