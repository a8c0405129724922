"""Methods of `Symbol` that turn it into an executor; the work is in `cyexec.runtime.binding`."""

from __future__ import annotations

from typing import Any

from ..base import MXNetError


def _binding() -> Any:
    from ..runtime import binding  # late: executors import symbols

    return binding


class ExecutionMixin:
    """Bind, evaluate, plan."""

    __slots__ = ()

    def bind(
        self,
        ctx: Any,
        args: Any,
        args_grad: Any = None,
        grad_req: Any = "write",
        aux_states: Any = None,
        group2ctx: Any = None,
        shared_exec: Any = None,
        plan_time_limit: float | None = None,
        memory_limit: int | str | None = None,
    ) -> Any:
        """Bind the symbol to arrays and return an `Executor`.

        Parameters
        ----------
        ctx : Context
            ``mx.cpu()``.
        args : list of NDArray or dict of str to NDArray
            Arguments, in the order of `list_arguments` or by name.
        args_grad : list or dict of NDArray, optional
            Where gradients are stored; arguments left out get none.
        grad_req : {"write", "add", "null"}, or list or dict of these
            Whether gradients overwrite, are added, or are not computed.
        aux_states : list or dict of NDArray, optional
            Auxiliary states, in the order of `list_auxiliary_states` or by name.
        group2ctx : dict of str to Context, optional
            Contexts of the groups that ``ctx_group`` attributes name.
        shared_exec : Executor, optional
            Executor to share memory with.
        plan_time_limit : float, optional
            Seconds that planning may take.
        memory_limit : int or str, optional
            Bytes (or text such as ``"512MB"``) that the arenas of a training program may take: values are computed twice
            where that is needed to stay below. ``"least"`` asks for as few as can be reached. Results do not change by a
            bit.

        Raises
        ------
        MXNetError
            When arrays are missing, or shapes or dtypes do not fit.
        """
        return _binding().bind(
            self,
            ctx,
            args,
            args_grad,
            grad_req,
            aux_states,
            group2ctx,
            shared_exec,
            plan_time_limit=plan_time_limit,
            memory_limit=memory_limit,
        )

    def simple_bind(
        self,
        ctx: Any,
        grad_req: Any = "write",
        type_dict: Any = None,
        stype_dict: Any = None,
        group2ctx: Any = None,
        shared_arg_names: Any = None,
        shared_exec: Any = None,
        shared_buffer: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Allocate all arrays from the shapes of the inputs, bind, and return an `Executor`.

        Parameters
        ----------
        ctx : Context
        grad_req : {"write", "add", "null"}, or list or dict of these
        type_dict : dict of str to dtype, optional
            Dtypes of arguments; float32 where nothing else follows.
        stype_dict : dict of str to str, optional
            Storage types; only "default" exists here.
        group2ctx : dict of str to Context, optional
        shared_arg_names : list of str, optional
            Arguments that may live in `shared_exec`'s arrays.
        shared_exec : Executor, optional
        shared_buffer : dict of str to NDArray, optional
            Arrays to reuse, and where new ones are entered.
        **kwargs : tuple of int
            Shapes of inputs by name; also `plan_time_limit` and `memory_limit`, see `bind`.

        Raises
        ------
        MXNetError
            When shapes or dtypes contradict each other or cannot be inferred.
        """
        return _binding().simple_bind(
            self,
            ctx,
            grad_req,
            type_dict,
            stype_dict,
            group2ctx,
            shared_arg_names,
            shared_exec,
            shared_buffer,
            **kwargs,
        )

    def plan(self, **shapes: Any) -> Any:
        """Plan the memory of the bound symbol without allocating any; see `Executor.plan`.

        Takes shapes of inputs by name, and `grad_req`, `type_dict`, `plan_time_limit` and `memory_limit` as `simple_bind`
        does: ``symbol.plan(data=(32, 3, 224, 224), memory_limit="least").total`` is the smallest arena, in bytes, in which
        the network trains.
        """
        return _binding().plan(self, **shapes)

    def eval(self, ctx: Any = None, **kwargs: Any) -> Any:
        """Compute the outputs from arrays given by name.

        Parameters
        ----------
        ctx : Context, optional
            The current one by default.
        **kwargs : NDArray
            All arguments and auxiliary states.

        Returns
        -------
        list of NDArray
        """
        from ..context import current_context

        states = {name: kwargs[name] for name in self.list_auxiliary_states() if name in kwargs}  # type: ignore[attr-defined]
        args = {name: value for name, value in kwargs.items() if name not in states}
        return self.bind(ctx or current_context(), args, grad_req="null", aux_states=states or None).forward()

    def optimize_for(self, backend: str, *args: Any, **kwargs: Any) -> Any:
        """Refuse: graphs are optimised when they are bound, and there are no other backends. Raises MXNetError."""
        raise MXNetError(f"there is no backend {backend!r}: graphs are optimised when they are bound")

    get_backend_symbol = optimize_for

    def gradient(self, wrt: Any) -> Any:
        """Not implemented, as in MXNet: bind with ``args_grad`` and call `Executor.backward`."""
        raise MXNetError("gradient: not implemented; bind with args_grad and call backward")

    grad = gradient
