"""Make a full model small, from the file alone: no tracing, no inference."""

import os
from collections.abc import Mapping
from typing import TypeVar

from torch import nn

from ..errors import SubnetError
from ..layers import kind_of
from .blocks import block_changes
from .checks import short
from .layers import Change, shrink, shrink_parameter
from .rows import LayerWidth, UnitWidth
from .schema import Subnet

Row = TypeVar('Row')
Prefix = str | Mapping[str, str] | None


def apply(
    model: nn.Module, subnet: Subnet | str | os.PathLike, prefix: Prefix = None
) -> nn.Module:
    """Make ``model`` small, in place, and return it.

    The parameters and running statistics it has are sliced, so a trained
    full model becomes the pruned one with its weights. Modules keep their
    identity and names. Either every row is carried out or, where one does
    not fit, none is.

    Args:
        model (nn.Module): Full model, or the part that the prefix maps to.
        subnet (Subnet or path): The pruned architecture.
        prefix (str or dict, optional): Which rows to use and how their
            layers are called here: ``{'backbone.': ''}`` takes the rows
            whose name begins with ``backbone.`` and cuts that off;
            ``'backbone.'`` is short for it. Rows that match no key are left
            out; their layers must not be in the model. Defaults to None:
            every row, under its own name, and the result must have exactly
            the parameters that the file states.

    Raises:
        SubnetError: If a layer is missing, has another shape or is of a
            kind that can't be made smaller, a row that fits would be left
            out, or the parameters don't add up.

    Example:
        >>> model = torchvision.models.resnet50()
        >>> mmdmcp.subnet.apply(model, 'DMCP_SUBNET_IMAGENET.yaml',
        ...                     prefix={'backbone.': '', 'head.': ''})
    """
    if not isinstance(subnet, Subnet):
        subnet = Subnet.load(subnet)
    if isinstance(prefix, str):
        prefix = {prefix: ''}
    _check_prefix(prefix)
    layers = _rename(subnet.layers, prefix)
    units = _rename(subnet.units, prefix)
    if prefix is not None and not layers and not units:
        raise SubnetError(
            f'prefix {short(prefix)} matches no layer of the file; its layers '
            f'are called {short(next(iter(subnet.layers or subnet.units)))}'
        )
    changes = _plan(model, layers, units)
    if prefix is None:
        _check_params(model, changes, subnet)
    else:
        _refuse_left_out(model, subnet, layers, prefix)
    for change in [*block_changes(model, changes), *changes]:
        change.apply()
    return model


def _check_prefix(prefix: Prefix) -> None:
    if prefix is None or (
        isinstance(prefix, Mapping)
        and all(isinstance(name, str) for pair in prefix.items() for name in pair)
    ):
        return
    raise SubnetError(
        f'prefix {short(prefix)} is none; give the beginning of names in the file, '
        "such as 'backbone.', or what to put in its place: {'backbone.': ''}"
    )


def _rename(
    rows: Mapping[str, Row], prefix: Mapping[str, str] | None
) -> dict[str, Row]:
    """Rows under the names of the model; the longest matching key wins."""
    if prefix is None:
        return dict(rows)
    keys = sorted(prefix, key=len, reverse=True)
    renamed = {}
    for name, row in rows.items():
        key = next((key for key in keys if name.startswith(key)), None)
        if key is None:
            continue
        new = prefix[key] + name[len(key) :]
        if new in renamed:
            raise SubnetError(f'prefix {prefix!r} gives two rows the name {new!r}')
        renamed[new] = row
    return renamed


def _plan(
    model: nn.Module, layers: dict[str, LayerWidth], units: dict[str, UnitWidth]
) -> list[Change]:
    """Every change, checked; the model is as it was."""
    modules = dict(model.named_modules(remove_duplicate=False))
    _check_present(model, modules, [*layers, *units])
    changes: list[Change] = []
    first_name: dict[int, str] = {}
    for name, row in layers.items():
        module = modules.get(name)
        try:
            if module is None:
                owner, _, attribute = name.rpartition('.')
                changes.append(shrink_parameter(modules[owner], attribute, row))
                continue
            # One module under two names is sliced once.
            same = first_name.setdefault(id(module), name)
            if same == name:
                _check_unit(module, row, units.get(name))
                changes.append(shrink(module, row))
            elif layers[same] != row:
                raise SubnetError(f'is the same module as {same} and has another row')
        except SubnetError as error:
            raise SubnetError(
                f'layer {name}: {error}. Is the file for this model?'
            ) from None
    return changes


def _check_present(
    model: nn.Module, modules: dict[str, nn.Module], names: list[str]
) -> None:
    known = {*modules, *dict(model.named_parameters(remove_duplicate=False))}
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if not missing:
        return
    some = ', '.join(missing[:3]) + (', ...' if len(missing) > 3 else '')
    raise SubnetError(
        f'{len(missing)} of the layers in the file are not in the '
        f'{type(model).__name__}: {some}. ' + _advice(missing, known)
    )


def _advice(missing: list[str], known: set[str]) -> str:
    """What would find the layers, as far as the names show it."""
    if 'stem.0' in known and missing[0].endswith('conv1'):
        return (
            'The model has a deep stem of several layers in their place: '
            'build the plain variant (ResNet, not ResNetV1c or V1d)'
        )
    heads = {
        head + '.': ''
        for head, _, tail in (name.partition('.') for name in missing)
        if tail and tail in known
    }
    if heads:
        return f'Without their first part they are: pass prefix={heads}'
    for name in sorted(known):
        head = name[: -len(missing[0])]
        if name.endswith('.' + missing[0]) and all(
            head + other in known for other in missing
        ):
            return f"They are under {head!r}: pass prefix={{'': '{head}'}}"
    return (
        'The file was made for another model; build the one that was '
        'searched (depth, variant), or search this one'
    )


def _check_unit(module: nn.Module, row: LayerWidth, unit: UnitWidth | None) -> None:
    """The unit's first layer must be as wide as the searched one was, and
    keep what its unit keeps.

    Checked where it is certain: a layer that is as wide as its unit, before
    or after, holds that unit and nothing else.
    """
    kind = kind_of(module)
    if unit is None or kind is None:
        return
    full = kind.size(module, 'out')
    if full != unit.of and row.out == unit.channels:
        raise SubnetError(
            f'has {full} channels, but had {unit.of} in the model that was searched'
        )
    out = full if row.out is None else row.out
    if full == unit.of and (out, row.out_kept) != (unit.channels, unit.kept):
        what = 'others' if out == unit.channels else str(unit.channels)
        raise SubnetError(
            f'out keeps {out} of its {full} channels, but under units it '
            f'keeps {what}: the file was edited in one place only. Export '
            'it again with the widths that you want'
        )


def _refuse_left_out(
    model: nn.Module,
    subnet: Subnet,
    layers: Mapping[str, LayerWidth],
    prefix: Mapping[str, str],
) -> None:
    """A row may be left out only where its layer is not in the model.

    A classifier's ``head.fc`` is the ``fc`` of torchvision's model; with the
    inputs that it has there the small model would not run.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    for name, row in subnet.layers.items():
        head, _, tail = name.partition('.')
        if (
            name.startswith(tuple(prefix))
            or not tail
            or tail in layers
            or tail not in modules
        ):
            continue
        try:
            shrink(modules[tail], row)  # plans, changes nothing
        except SubnetError:
            continue
        raise SubnetError(
            f'prefix {dict(prefix)} leaves out {name}, but the '
            f'{type(model).__name__} has a layer {tail} that it fits: pass '
            f'prefix={dict(prefix, **{head + ".": ""})}'
        )


def _check_params(model: nn.Module, changes: list[Change], subnet: Subnet) -> None:
    full = sum(p.numel() for p in model.parameters())
    params = full - sum(change.saved_numel() for change in changes)
    if params != subnet.cost['params']:
        raise SubnetError(
            f'the pruned {type(model).__name__} would have {params} '
            f'parameters, but the file says {subnet.cost["params"]}: it was '
            'made for another model, or edited. If only the head differs '
            "(other classes), pass prefix={'': ''}, which leaves this "
            'check out'
        )
