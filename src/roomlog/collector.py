"""The garbage collector of processes that run for long and make much that dies young."""

import gc

YOUNG_OBJECTS_MAX = 10_000
_GENERATIONS = 20


def spare_what_stays() -> None:
    """Take what the start has made out of the collector's sight, and have it look less often.

    Call once, when everything is put together. Almost all that a message or an event leaves
    behind is freed by its reference count; the collector only finds cycles, and with Python's
    default threshold of 700 objects looks for them many times for each batch.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, _GENERATIONS, _GENERATIONS)
