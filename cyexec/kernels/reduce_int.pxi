# levels: base
# dtypes: i32 i64 i8 u8
# flags: -O2
# The reductions of reduce.pxi for integers: sums wrap, means truncate.
include "reduce.pxi"
