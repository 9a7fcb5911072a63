"""A model that runs at any choice of widths, and what each choice costs."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..channels.groups import Trace, analyze
from ..cost import MEASURES, CostModel, count, read_positions
from ..cost.parts import Part, PartTable
from ..errors import TraceError, failure
from ..layers import kind_of
from ..modes import eval_mode
from ..ops import Layout, Selection, SlicedLayer, SlicedParameter
from ..options import matched, prefixes
from ..subnet import LayerWidth, Subnet, UnitWidth
from .binding import FastPaths, any_replaced, copied, links
from .costs import layer_costs, other_params, part_cost, require_exact_params
from .gate_sites import find_gate_sites
from .prunable import find_prunable, left_out, unmet_layers, unseen_readers
from .sample_run import SampleRuns
from .units import Unit, layer_layouts, producers, scaled_layers, sliced_layers


class Supernet:
    """Runs a model at chosen widths, in place.

    Args:
        model: The full model, on the CPU. Its layers stay where they are;
            those whose shape depends on a unit run through a
            :class:`~mmdmcp.ops.SlicedLayer` from now on.
        input_shape: Channels, height and width of one sample; what costs
            are computed for.
        scope: Prefixes of the names of units to prune, such as
            ``['backbone']``; None prunes all that can be.
        exclude: Layers that keep their channels, by prefixes of their names or
            regular expressions of whole ones.
        any_channels: Whether any of a unit's channels may be dropped, not
            only the last ones. Units for which zeroing a channel and
            dropping it are not the same are then left whole.
        run: Runs one sample through the model; by default a random one of
            the input shape, as models of OpenMMLab packages take it.

    Attributes:
        units (list[Unit]): What can be pruned, in the model's order.
        unprunable (list[tuple[str, str]]): Units that can't be, with the
            reason.
        unmet (list[str]): Layers that ran neither in inference nor in
            training; they stay as they are.
        excluded (dict[str, list[str]]): Layers that each entry of ``exclude``
            names.
        cost (CostModel): MACs and parameters as functions of the widths.

    Raises:
        ConfigError: If the scope is no list of names of the model's modules,
            or an entry of ``exclude`` names no layer.
        TraceError: If the model can't be traced, or nothing can be pruned.
    """

    def __init__(
        self,
        model: nn.Module,
        input_shape: tuple[int, ...],
        scope: Sequence[str] | None = None,
        any_channels: bool = False,
        run: Callable[[], object] | None = None,
        exclude: Sequence[str] | None = None,
    ) -> None:
        prefixes('mutator.scope', scope, dict(model.named_modules()))
        self.model = model
        self.input_shape = tuple(input_shape)
        self._fast_paths = FastPaths()
        with eval_mode(model):
            runs = SampleRuns(model, self.input_shape, run)
            self._build(scope, exclude, any_channels, runs)

    def _build(
        self,
        scope: Sequence[str] | None,
        exclude: Sequence[str] | None,
        any_channels: bool,
        runs: SampleRuns,
    ) -> None:
        model = self.model
        for name, module in model.named_modules():
            if kind_of(module) is not None and 'forward' in vars(module):
                raise TraceError(
                    f'{name}: a forward of its own was set on this layer (by '
                    'another search, or a patch), which a narrow layer would '
                    'not run; build the model anew, or make it a subclass'
                )
        trace = self._trace(runs)
        positions = read_positions(model, runs.inference)
        sites = find_gate_sites(model, runs.everything, close_channels=any_channels)
        layouts = layer_layouts(model, trace)
        first = producers(model, layouts)
        modules = [name for name, _ in model.named_modules()]
        self.excluded = matched('mutator.exclude', exclude, list(layouts), modules)
        groups, self.unprunable = find_prunable(
            model,
            trace,
            layouts,
            first,
            scope,
            runs,
            sites if any_channels else None,
            {
                **unseen_readers(model, trace, self.unmet, runs.untried),
                **left_out(self.excluded, layouts),
            },
        )
        if not groups:
            reasons = '; '.join(f'{n}: {r}' for n, r in self.unprunable[:5])
            raise TraceError(
                f'{type(model).__name__} has no unit that can be pruned. '
                f'{reasons or "No convolution was found"}'
            )
        numbers = {group: i for i, group in enumerate(groups)}
        self.units = [Unit(first[g], trace.sizes[g]) for g in groups]
        self.layers = sliced_layers(model, layouts, numbers)
        self.scaled = scaled_layers(self.layers, sites)
        costs = layer_costs(model, layouts, trace.slid, numbers, positions)
        self.cost = CostModel(costs, len(self.units), other_params(model, costs))
        require_exact_params(model, self.cost.exact(self.full)['params'])
        self.bind()
        self.cost.other_macs = self._other_macs(runs.inference)

    def _trace(self, runs: SampleRuns) -> Trace:
        """Follow the channels through all that inference and training run."""

        def follow() -> Trace:
            trace = analyze(
                self.model, self.input_shape, runs.everything, lambda: runs.kept
            )
            self.unmet = unmet_layers(self.model, trace)
            return trace

        trace = follow()
        if runs.look_at_training():
            trace = follow()
        if self.unmet and runs.look_at_losses():
            trace = follow()
        return trace

    def _other_macs(self, run: Callable[[], object]) -> int:
        """MACs of operations that are no layers (attention, say).

        What the cost model misses of torch's own count, at two widths.

        Raises:
            TraceError: If it is not a constant.
        """
        generator = torch.Generator().manual_seed(0)
        drawn = [
            int(torch.randint(1, c + 1, (), generator=generator)) for c in self.full
        ]
        others = []
        for widths in (self.full, drawn):
            self.select(widths)
            try:
                counted = count(run)
            except Exception as error:
                raise TraceError(
                    f'{type(self.model).__name__} fails at random widths '
                    f'({failure(error)}); a larger `input_shape` may help'
                ) from error
            others.append(counted - self.cost.exact(widths)['macs'])
        self.select(self.full)
        if others[0] != others[1] or others[0] < 0:
            raise TraceError(
                f'{type(self.model).__name__}: the multiply-accumulates that '
                'torch counts differ from the cost model by '
                f'{others[0]:,} at full width and {others[1]:,} at a random '
                'one; some operation depends on the widths in a way that '
                "is not known here, so the model can't be pruned exactly"
            )
        return others[0]

    # ---- running -----------------------------------------------------

    @property
    def full(self) -> list[int]:
        """Widths of the full network."""
        return [unit.num_channels for unit in self.units]

    def whole_summary(self, most: int = 4) -> str:
        """Units that are left whole, by the reason, in one line.

        Args:
            most: Reasons, and names for each, to give at most. Defaults to 4.
        """
        names: dict[str, list[str]] = {}
        for name, reason in self.unprunable:
            names.setdefault(reason, []).append(name)
        parts = []
        for reason, some in sorted(names.items(), key=lambda x: -len(x[1]))[:most]:
            more = f' and {len(some) - most} more' if len(some) > most else ''
            parts.append(f'{", ".join(some[:most])}{more} ({reason})')
        rest = len(names) - most
        return '; '.join(parts) + (f'; {rest} other reasons' if rest > 0 else '')

    def bind(self) -> None:
        """Make the model's layers run through their sliced layers.

        To be called again after layers were replaced, as by a conversion to
        SyncBN.
        """
        for layer in self.layers:
            layer.attach(self.model)
        self._fast_paths.close(self.model)
        self._links = links(self.model, [layer.name for layer in self.layers])

    def _bind_replaced(self) -> None:
        """Bind again if layers were replaced.

        SyncBN conversion, and its undoing, puts new modules in place of the
        batch norms, or of some of them.
        """
        if any_replaced(self._links):
            self.bind()

    def plain_copy(self) -> nn.Module:
        """A copy of the full model that knows nothing of the supernet.

        Nor of what else was hung onto its modules: a copied closure (as
        MMEngine's activation checkpointing installs) would run the
        original's layers.
        """
        widths = self._selections
        self.select(self.full)
        model = copied(self.model)
        self.select(widths)
        for layer in self.layers:
            layer.detach(model)
        for module in model.modules():
            vars(module).pop('forward', None)
        self._fast_paths.open(model)
        return model

    def select(self, selections: Sequence[Selection]) -> None:
        """Run with the chosen channels from now on."""
        self._bind_replaced()
        self._selections = list(selections)
        for layer in self.layers:
            layer.select(selections)

    def scale(self, values: Sequence[Tensor] | None, open_only: bool = False) -> None:
        """Scale every unit's outputs; None stops scaling.

        Args:
            values: One tensor ``[channels]`` per unit.
            open_only: Norms over channels leave closed ones out.
        """
        self._bind_replaced()
        for layer in self.scaled:
            layer.scale(values, open_only)

    def count_part(self, part: Part) -> None:
        """Count what a part costs, too: a limit of a target.

        Raises:
            ConfigError: If the model has no such part.
            TargetError: If it costs nothing.
        """
        model = part_cost(self.model, self.cost, len(self.units), part.scope)
        self.cost.tables[part.name] = PartTable(part.whole, model)

    # ---- writing -----------------------------------------------------

    def subnet(
        self,
        selections: Sequence[Selection],
        method: str,
        target: dict[str, int] | None = None,
    ) -> Subnet:
        """Describe a choice as a subnet file does.

        Args:
            selections: One selection per unit.
            method: What found it, such as ``'dmcp'``.
            target: What was aimed at: ``{'macs': number}`` or
                ``{'params': number}``.
        """
        counts = [s if isinstance(s, int) else len(s) for s in selections]
        units = {
            unit.name: UnitWidth(
                count, unit.num_channels, None if isinstance(chosen, int) else chosen
            )
            for unit, count, chosen in zip(self.units, counts, selections)
        }
        layers = {}
        for layer in self.layers:
            width = _layer_width(layer, selections)
            if width is not None:
                layers[layer.name] = width
        amounts = self.cost.exact(counts)
        cost: dict = {name: amounts[name] for name in amounts if name in MEASURES}
        cost['input_shape'] = list(self.input_shape)
        return Subnet(
            method=method, units=units, layers=layers, cost=cost, target=target
        )


def _layer_width(
    layer: SlicedLayer | SlicedParameter, selections: Sequence[Selection]
) -> LayerWidth | None:
    """A layer's row of the subnet file; None if its shape stays."""
    kind, layouts = layer.kind, (layer.out_layout, layer.in_layout)
    sizes, kept = zip(*(_kept(layout, selections) for layout in layouts))
    # A side that stays is left out: a classifier's file then says nothing
    # about the number of classes, and fits a head with others.
    out, in_ = (
        None if size == layout.size else size for size, layout in zip(sizes, layouts)
    )
    if out is in_ is None:
        return None
    if not kind.has_inputs:
        return LayerWidth(out=out, out_kept=kept[0])
    return LayerWidth(in_, out, in_ if kind.groups_follow else None, kept[1], kept[0])


def _kept(
    layout: Layout, selections: Sequence[Selection]
) -> tuple[int, tuple[int, ...] | None]:
    """Count of kept entries, and the entries unless they are the first."""
    kept = layout.indices(selections)
    first = kept == tuple(range(len(kept)))
    return len(kept), None if first else kept
