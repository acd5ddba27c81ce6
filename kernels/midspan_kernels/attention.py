"""Block attention: few query rows of many requests against pages of keys, themselves included.

Source: FlashAttention's online softmax (Dao 2023, arXiv 2307.08691), its split over the context
(Flash-Decoding, Dao et al. 2023), paged keys (vLLM, Kwon et al. 2023, arXiv 2309.06180), grouped
query heads packed into the rows of a tile (FlashInfer, Ye et al. 2025, arXiv 2501.01005).

Bytes: keys and values of each request once, `2 * longest * key heads * head * 2`; queries and
results; with several parts `parts * rows * heads * (head + 1) * 4` written and read.

Why it stays: what a row may see is read from 4 bytes of that row. FlashInfer takes the same shape
as a packed mask of `rows * places / 8` bytes for each request and a plan that the host makes anew
whenever lengths change, so a denoise loop would come back to the host after each step; torch's
`scaled_dot_product_attention` would first gather the pages, which triples the bytes of the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midspan_kernels.capability import backend
from midspan_kernels.checks import FLOATS, check_device, check_dtype, check_shape

if TYPE_CHECKING:
    from torch import Tensor

    from midspan_kernels.rows import Batch

HEAD_SIZES = (16, 32, 64, 128)
MOST_ROWS = 1024
"""What `spans.MOST_CELLS` guesses with a block behind each have."""


def attend(query: Tensor, keys: Tensor, values: Tensor, batch: Batch) -> Tensor:
    """Attend to the cached places and the new rows, whose keys have been written before.

    Args:
        query: Rotated, `[rows, heads, head]`, float32, bfloat16 or float16.
        keys: One layer, `[pages, key heads, page, head]`, same dtype; `page` a power of two.
        values: Likewise.
        batch: Rows and pages.

    Returns:
        `[rows, heads, head]`, dtype of `query`.

    Raises:
        ValueError: a shape, dtype or device does not fit.
    """
    check_shape("query", query, (None, None, None))
    check_dtype("query", query, FLOATS)
    rows, heads, size = query.shape
    check_shape("keys", keys, (None, None, None, size))
    check_shape("values", values, tuple(keys.shape))
    check_dtype("keys", keys, (query.dtype,))
    check_dtype("values", values, (query.dtype,))
    batch.check()
    check_shape("behind", batch.behind, (rows,))
    check_device(query=query, keys=keys, values=values, firsts=batch.firsts)
    if size not in HEAD_SIZES:
        raise ValueError(f"the head size must be one of {HEAD_SIZES}; got {size}: pad the heads")
    if heads % keys.shape[1]:
        raise ValueError(f"{heads} query heads cannot share {keys.shape[1]} key heads evenly")
    if keys.shape[2] & (keys.shape[2] - 1):
        raise ValueError(f"a page must hold a power of two of places; got {keys.shape[2]}")
    if batch.most_rows > MOST_ROWS:
        raise ValueError(f"a request has more than {MOST_ROWS} rows in one pass; split the pass")
    attended: Tensor = backend("attention", query).attend(query, keys, values, batch)
    return attended
