"""What this CPU can run. Compiled for the base level alone, so that it can be asked on any machine."""

cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GNUC__)
    static int cyexec_level(void) {
        __builtin_cpu_init();
        #define HAS(f) __builtin_cpu_supports(f)
        if (!(HAS("ssse3") && HAS("sse4.1") && HAS("sse4.2") && HAS("popcnt"))) return 1;
        if (!(HAS("avx") && HAS("avx2") && HAS("bmi") && HAS("bmi2") && HAS("fma"))) return 2;
        if (!(HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd") && HAS("avx512dq") && HAS("avx512vl"))) return 3;
        return 4;
    }
    #else
    static int cyexec_level(void) { return 1; }
    #endif
    """
    int cyexec_level() nogil


def level() -> int:
    """Highest x86-64 level of this CPU: 4 (AVX-512), 3 (AVX2, FMA), 2 (SSE4.2), or 1 (anything else)."""
    return cyexec_level()
