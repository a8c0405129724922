"""Build the extension modules.

A kernel family is one file, ``cyexec/kernels/NAME.pxi``. Its first lines say what it is built for::

    # levels: base v2 v3 v4
    # dtypes: f32 f64
    # base-dtypes: i32 i64        built at the base level only; optional
    # flags: -ffp-contract=off    further compiler flags; optional. -O2 where loops move memory or follow indices

Level v2 adds rounding and blending to the base, but no wider registers and no fused multiply-add: it is for families that
evaluate functions. Likewise v4 is for those that compute more than they read. Each module costs 100 KB, so others fall back
to the next lower level.

The dtype "any" builds one module for all: the class looks at its operands' dtypes itself.

For each dtype a stub that defines ``real`` and includes the family is written under ``build/levels`` and translated to C
once. For each level a C file that includes this one is compiled with the level's flags to
``cyexec/kernels/_NAME_DTYPE_LEVEL``. `cyexec.kernels.levels` picks one at import.
``CYEXEC_LEVELS="base v3"`` builds only these levels (for work on the library; a release has all of them).
``CYEXEC_DEBUG=1`` checks bounds and keeps symbols. ``CC="ccache gcc"`` works, and is what the Makefile sets if it can.
"""

import os
import platform
import sys
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

KERNELS = Path("cyexec/kernels")
DEBUG = bool(os.environ.get("CYEXEC_DEBUG"))
BUILD = Path("build/debug" if DEBUG else "build")  # a debug build translates differently: checks are in the C
STUBS = BUILD / "levels"
TRANSLATED = BUILD / "cython"
SHARED = "cyexec.kernels._memoryview"  # Cython writes its source: memoryview code compiled once for all modules

LEVELS = {
    "base": [],
    "v2": ["-march=x86-64-v2"],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}
REALS = {
    "f32": "float", "f64": "double", "i8": "signed char", "u8": "unsigned char", "i32": "int", "i64": "long long",
    "b1": "unsigned char", "b2": "unsigned short", "b4": "unsigned int", "b8": "unsigned long long",
    "any": "unsigned char",
}  # fmt: skip
# Neither flag changes a result: they let the compiler vectorise around errno and floating-point traps.
NUMBERS = ["-fno-math-errno", "-fno-trapping-math"]
# Silenced: helpers that a dtype does not use, pragmas of other compilers, `x != x` (NaN) in a kernel built for integers,
# and register blocks that GCC does not see to be written before they are read.
WARNINGS = [
    f"-Wno-{w}"
    for w in ("unused-function", "unknown-pragmas", "tautological-compare", "uninitialized", "maybe-uninitialized")
]
# There are 200 modules, so what each of them has beside its code counts: symbols are half of a module's size and of use to
# nobody without -g; tables for unwinding the stack, which C does not do; pages of padding between parts of a file.
SMALL = ["-g0", "-fno-plt", "-fno-asynchronous-unwind-tables"]
FLAGS = ["-O1", "-g", *NUMBERS, *WARNINGS] if DEBUG else ["-O3", *SMALL, *NUMBERS, *WARNINGS]
LINK = ["-s", "-Wl,-z,noseparate-code"] if sys.platform == "linux" and not DEBUG else []  # GNU ld's words
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": False,
    "auto_pickle": False,  # steps hold addresses; code that says so would be a tenth of a module
    "freethreading_compatible": False,
    "show_performance_hints": not DEBUG,  # they would ask for what a debug build is not
}


def wanted_levels() -> list[str]:
    """Levels to build here: all on x86-64, the base alone elsewhere."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ["base"]
    chosen = os.environ.get("CYEXEC_LEVELS", " ".join(LEVELS)).replace(",", " ").split()
    return [level for level in LEVELS if level in chosen or level == "base"]


def header(path: Path, key: str, required: bool = True) -> list[str]:
    """Words after ``# key:`` among the first lines of a kernel family."""
    for line in path.read_text().splitlines()[:8]:
        if line.startswith(f"# {key}:"):
            return line.split(":", 1)[1].split()
    if required:
        raise SystemExit(f"{path}: no '# {key}:' line at its top")
    return []


def used_headers(path: Path) -> set[Path]:
    """Headers of ours that a source names, directly or through another: what must change for it to be compiled again."""
    found: set[Path] = set()
    waiting = [path, KERNELS / "step.pxd"]
    while waiting:
        text = waiting.pop().read_text()
        for header_path in KERNELS.glob("*.h"):
            if header_path not in found and f'"{header_path.name}"' in text:
                found.add(header_path)
                waiting.append(header_path)
    return found


def write_if_changed(path: Path, text: str) -> None:
    """Keep the time stamp of an unchanged stub, so that nothing is compiled again for it."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def family_extensions() -> list[Extension]:
    """One extension for each kernel family and dtype, at the base level; `add_levels` makes the others of it."""
    STUBS.mkdir(parents=True, exist_ok=True)
    extensions = []
    for path in sorted(KERNELS.glob("*.pxi")):
        dtypes, base_dtypes = header(path, "dtypes"), header(path, "base-dtypes", False)
        for dtype in dtypes + base_dtypes:
            name = f"_{path.stem}_{dtype}"
            stub = STUBS / f"{name}.pyx"
            constants = "".join(f"    IS_{d.upper()} = {int(d == dtype)}\n" for d in REALS)
            constants += f"    IS_FLOATING = {int(dtype[0] == 'f')}\n"
            write_if_changed(
                stub,
                f'ctypedef {REALS[dtype]} real\ncdef enum:\n{constants}\ninclude "{os.path.relpath(path, STUBS)}"\n',
            )
            extension = Extension(
                f"cyexec.kernels.{name}",
                [str(stub)],
                include_dirs=[str(KERNELS)],
                define_macros=[("REAL", REALS[dtype]), (f"REAL_IS_{dtype.upper()}", "1")],
                extra_compile_args=FLAGS + header(path, "flags", False),
                extra_link_args=LINK,
                depends=sorted(str(h) for h in used_headers(path)),
            )
            extensions.append(extension)
    return extensions


def add_levels(extension: Extension) -> list[Extension]:
    """Extensions of a translated family and dtype, one for each of its levels.

    A level's C file gives the module's entry point the level's name and includes the translation: Cython's work, a third
    of the whole build, is done once. (Python takes a module's name from where it is found, not from its C.)
    """
    short = extension.name.rpartition(".")[2]
    family, _, dtype = short[1:].rpartition("_")
    path, translated = KERNELS / f"{family}.pxi", Path(extension.sources[0])
    levels = header(path, "levels") if dtype in header(path, "dtypes") else ["base"]
    extensions = []
    for level in wanted_levels():
        if level != "base" and level not in levels:
            continue
        source = STUBS / f"{short}_{level}.c"
        write_if_changed(
            source,
            f'#define PyInit_{short} PyInit_{short}_{level}\n#include "{os.path.relpath(translated, STUBS)}"\n',
        )
        levelled = Extension(
            f"{extension.name}_{level}",
            [str(source)],
            include_dirs=extension.include_dirs,
            define_macros=extension.define_macros,
            extra_compile_args=extension.extra_compile_args + LEVELS[level],
            extra_link_args=extension.extra_link_args,
            depends=[*extension.depends, str(translated)],
        )
        extensions.append(levelled)
    return extensions


def plain_extensions() -> list[Extension]:
    """Modules that are not levelled: built once, for the base."""
    extensions = [Extension(SHARED, [], extra_compile_args=["-O2"], extra_link_args=LINK)]
    for path in sorted(Path("cyexec").rglob("*.pyx")):
        name = ".".join(path.with_suffix("").parts)
        openmp = ["-fopenmp"] if "prange" in path.read_text() or "parallel" in path.read_text() else []
        extensions.append(
            Extension(
                name,
                [str(path)],
                include_dirs=[str(KERNELS), numpy.get_include()],
                extra_compile_args=FLAGS + openmp,
                extra_link_args=openmp + LINK,
                define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
                depends=sorted(str(h) for h in used_headers(path)),
            )
        )
    return extensions


def planner_extensions() -> list[Extension]:
    """The planner's modules, as `planner/pyproject.toml` builds them alone: they need nothing of cyexec."""
    return [
        Extension(f"planner.{path.stem}", [str(path)], extra_compile_args=FLAGS, extra_link_args=LINK)
        for path in sorted(Path("planner").glob("*.pyx"))
    ]


def remove_orphans() -> None:
    """Delete built modules whose family, dtype or level is not built any more: `levels` would find and use them."""
    known = set()
    for path in KERNELS.glob("*.pxi"):
        levels, everywhere = header(path, "levels"), header(path, "dtypes")
        for dtype in everywhere + header(path, "base-dtypes", False):
            known |= {f"_{path.stem}_{dtype}_{level}" for level in (levels if dtype in everywhere else ["base"])}
    for built in [*KERNELS.glob("_*_*_*.so"), *KERNELS.glob("_*_*_*.pyd")]:
        if built.name.split(".")[0] not in known:
            built.unlink()


class ParallelBuild(build_ext):
    """build_ext that uses every core and says how far it is."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self) -> None:
        if self.inplace:
            remove_orphans()
        super().run()

    def build_extensions(self) -> None:
        mark, kind = Path("build/kind"), "debug" if DEBUG else "release"
        self.force = self.force or mark.exists() and mark.read_text() != kind
        mark.unlink(missing_ok=True)  # an interrupted build leaves no claim
        self.stale = [e.name for e in self.extensions if self.force or self._is_stale(e)]
        self.started = 0
        super().build_extensions()
        mark.write_text(kind)

    def _is_stale(self, ext: Extension) -> bool:
        return newer_group([*ext.sources, *ext.depends], self.get_ext_fullpath(ext.name))

    def build_extension(self, ext: Extension) -> None:
        if ext.name in self.stale:
            self.started += 1
            print(f"[{self.started:3}/{len(self.stale)}] {ext.name}", flush=True)
        super().build_extension(ext)

    def get_source_files(self) -> list[str]:
        """Nothing for the source distribution: MANIFEST.in says it all, and translations are not sources."""
        return []


def translate() -> list[Extension]:
    """All extensions, their Cython sources translated to C."""
    plain, families = plain_extensions(), family_extensions()
    options = dict(
        compiler_directives=DIRECTIVES,
        build_dir=str(TRANSLATED),
        nthreads=0,  # processes of cythonize's own have hung here; all of it takes 13 s
        show_all_warnings=False,
        quiet=True,
    )
    translated = cythonize(plain + families, shared_utility_qualified_name=SHARED, **options)
    # A module of shared code would make `import planner` import all of cyexec.
    translated += cythonize(planner_extensions(), **options)
    families_names = {extension.name for extension in families}
    extensions = []
    for extension in translated:
        extensions += add_levels(extension) if extension.name in families_names else [extension]
    return extensions


if __name__ == "__main__":
    setup(ext_modules=translate(), cmdclass={"build_ext": ParallelBuild})
