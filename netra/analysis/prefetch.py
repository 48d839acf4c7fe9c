"""A hint for the CPU's caches, for loops that read a large array at random places.

Lookups that miss the caches cost ten times the rest of such a loop; asking for the line some
iterations ahead hides most of it. LLVM's `llvm.prefetch`: it reads nothing and never faults, so
the index need not be in bounds. https://llvm.org/docs/LangRef.html#llvm-prefetch-intrinsic
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # pyright: ignore[reportMissingTypeStubs]
from numba.core import cgutils, types
from numba.extending import intrinsic

#: How many iterations ahead a loop asks.
AHEAD = 24

if TYPE_CHECKING:

    def prefetch(array: npt.NDArray[np.generic], index: Any) -> None:
        """Asks for the cache line of `array[index]`, to be read soon and often."""
else:

    @intrinsic
    def prefetch(typingctx, array, index):
        """Asks for the cache line of `array[index]`, to be read soon and often."""

        def generate(context, builder, signature, args):
            kind = signature.args[0]
            view = context.make_array(kind)(context, builder, args[0])
            place = cgutils.get_item_pointer(
                context, builder, kind, view, [args[1]], wraparound=False, boundscheck=False
            )
            pointer, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
            signature_of = ir.FunctionType(ir.VoidType(), [pointer, i32, i32, i32])
            hint = cgutils.get_or_insert_function(builder.module, signature_of, "llvm.prefetch.p0")
            read, keep, data = i32(0), i32(3), i32(1)
            builder.call(hint, [builder.bitcast(place, pointer), read, keep, data])
            return context.get_dummy_value()

        return types.void(array, types.intp), generate
