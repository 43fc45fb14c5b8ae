"""Conditions over the fields of a search, as configuration writes them: safe, checked, fast.

    purpose in ("immigration", "personal") or contains(reason_text, "immigration")

A condition is parsed into a syntax tree, every node is checked against a short list, and closures
are built from it; nothing is ever evaluated as Python. What can be known to be wrong (a field that
does not exist, a value that a field never takes) is refused when the condition is compiled.

Missing values follow Kleene's three-valued logic, as in an SQL `where`: comparing a field that a
search does not carry is *unknown*, `not` of unknown is unknown, and a condition holds only when it
is certainly true. So `not (top_score > 0.5)` does not hold for a search without a top_score: no
gap in a record can accuse anybody. A rule that demands a record says so: `missing(case_number)`.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from models import logic
from models.fields import FIELDS, Field
from models.logic import Test
from models.search import Search
from models.spelling import did_you_mean

#: Bounds on a condition, far above any honest one, so that a hostile file cannot stall a worker.
MAX_LENGTH = 4000
MAX_DEPTH = 25
MAX_NODES = 1000


class ConditionError(ValueError):
    """A condition that cannot be used. `column` counts characters from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"column {column}: {message}")
        self.message = message
        self.column = column


@dataclass(frozen=True)
class Function:
    """A function that a caller of `compile_condition` declares.

    `call` receives the search and then the values of the written arguments (None where a field is
    missing) and returns True, False or None for unknown. `reads` names the fields it looks at by
    itself.
    """

    call: Callable[..., bool | None]
    reads: tuple[str, ...] = ()


class Leaf(NamedTuple):
    """A part of a condition that has no and, or, not in it: a comparison, a call or a truth field."""

    test: Test
    fields: frozenset[str]
    values: frozenset[object]
    """The values that a comparison names."""
    presence_of: str | None
    """The field when the leaf is `missing(field)`, else None."""


@dataclass(frozen=True)
class Condition:
    """A compiled condition. Calling it costs a few hundred nanoseconds."""

    text: str
    fields: frozenset[str]
    leaves: tuple[Leaf, ...]
    test: Test

    def __call__(self, search: Search) -> bool:
        """Whether the condition certainly holds; unknown counts as no."""
        return self.test(search) is True


def compile_condition(text: str, functions: Mapping[str, Function] | None = None) -> Condition:
    """Check and compile a condition.

    >>> condition = compile_condition("candidates_requested > 50 and not missing(case_number)")
    >>> sorted(condition.fields)
    ['candidates_requested', 'case_number']

    Raises ConditionError with the column, what is wrong and what would be right.
    """
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"{len(text)} characters; at most {MAX_LENGTH} are allowed", MAX_LENGTH + 1)
    flat = text.replace("\n", " ").replace("\r", " ")
    lead = len(flat) - len(flat.lstrip())
    if not flat.strip():
        raise ConditionError("empty; write a condition such as missing(case_number)", 1)
    try:
        tree = ast.parse(flat.strip(), mode="eval")
    except SyntaxError as error:
        raise ConditionError(f"not a condition: {error.msg}", lead + (error.offset or 1)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConditionError(f"not a condition: {error or 'too deeply nested'}", 1) from None
    compiler = _Compiler(flat.strip(), lead, functions or {})
    test = compiler.truth(tree.body, 1)
    fields = frozenset(name for leaf in compiler.leaves for name in leaf.fields)
    return Condition(text, fields, tuple(compiler.leaves), test)


_ORDER: Mapping[type[ast.cmpop], logic.Compare] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_EQUAL: Mapping[type[ast.cmpop], logic.Compare] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_BUILT_IN = ("missing", "contains", "matches_any", "vague")


class _Compiler:
    """Turns one syntax tree into closures, collecting the leaves on the way."""

    def __init__(self, text: str, lead: int, functions: Mapping[str, Function]) -> None:
        self.text, self.lead, self.functions = text, lead, functions
        self.leaves: list[Leaf] = []
        self.nodes = 0

    def error(self, node: ast.AST, message: str) -> ConditionError:
        # The syntax tree counts UTF-8 bytes.
        before = self.text.encode()[: getattr(node, "col_offset", 0)].decode(errors="ignore")
        return ConditionError(message, self.lead + len(before) + 1)

    def leaf(
        self,
        test: Test,
        fields: set[str],
        values: Iterable[object] = (),
        presence_of: str | None = None,
    ) -> Test:
        self.leaves.append(Leaf(test, frozenset(fields), frozenset(values), presence_of))
        return test

    def count(self, node: ast.expr, parts: int, depth: int = 0) -> None:
        self.nodes += parts
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise self.error(node, f"too large; at most {MAX_DEPTH} levels and {MAX_NODES} parts are allowed")

    def truth(self, node: ast.expr, depth: int) -> Test:
        """A part that is true, false or unknown."""
        self.count(node, 1, depth)
        match node:
            case ast.BoolOp(op=op, values=values):
                return logic.join([self.truth(value, depth + 1) for value in values], isinstance(op, ast.Or))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return logic.negate(self.truth(operand, depth + 1))
            case ast.Compare():
                return self.comparison(node)
            case ast.Call():
                return self.call(node)
            case ast.Name():
                field = self.field(node)
                if field.kind != "truth":
                    raise self.error(node, f"{field.name} is not true or false; compare it with a value")
                return self.leaf(operator.attrgetter(field.name), {field.name})
        raise self.error(node, "only fields, comparisons, and, or, not and function calls can stand here")

    def comparison(self, node: ast.Compare) -> Test:
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        return logic.join([self.pair(left, op, right) for left, op, right in pairs], False)

    def pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Test:
        self.count(left, 1)
        if isinstance(op, ast.In | ast.NotIn):
            return self.membership(left, right, isinstance(op, ast.In))
        compare = _ORDER.get(type(op)) or _EQUAL.get(type(op))
        if compare is None:
            raise self.error(right, "`is` cannot be used; write == or missing(field)")
        if isinstance(left, ast.Name) and isinstance(right, ast.Name):
            one, two = self.field(left), self.field(right)
            if one.kind != two.kind or (one.kind == "truth" and type(op) in _ORDER):
                raise self.error(
                    left, f"{one.name} ({one.kind}) cannot be compared with {two.name} ({two.kind})"
                )
            return self.leaf(logic.between(one.name, two.name, compare), {one.name, two.name})
        if isinstance(left, ast.Name):
            field, value = self.field(left), self.literal(right)
            self.check(right, field, value, type(op) in _ORDER)
            return self.leaf(logic.against(field.name, compare, value), {field.name}, {value})
        if isinstance(right, ast.Name):
            field, value = self.field(right), self.literal(left)
            self.check(left, field, value, type(op) in _ORDER)
            mirrored = logic.against(field.name, lambda ours, theirs: compare(theirs, ours), value)
            return self.leaf(mirrored, {field.name}, {value})
        raise self.error(left, "a comparison needs the name of a field on one side")

    def membership(self, left: ast.expr, right: ast.expr, inside: bool) -> Test:
        if not isinstance(right, ast.Tuple | ast.List | ast.Set):
            cure = 'for text inside text write contains(field, "text")'
            raise self.error(right, f'in needs a list of values such as ("a", "b"); {cure}')
        if not isinstance(left, ast.Name):
            raise self.error(left, "the left side of `in` must be the name of a field")
        field, values = self.field(left), set()
        self.count(right, len(right.elts))
        for element in right.elts:
            value = self.literal(element)
            self.check(element, field, value, False)
            values.add(value)
        if not values:
            raise self.error(right, "an empty list; write at least one value")
        return self.leaf(logic.among(field.name, frozenset(values), inside), {field.name}, values)

    def call(self, node: ast.Call) -> Test:
        self.count(node, len(node.args))
        if not isinstance(node.func, ast.Name):
            raise self.error(node, "only functions by their plain name can be called")
        if node.keywords:
            raise self.error(node, "arguments with names are not allowed")
        name = node.func.id
        declared = self.functions.get(name)
        if declared is not None:
            return self.declared(node, declared)
        if name not in _BUILT_IN:
            known = sorted({*_BUILT_IN, *self.functions})
            raise self.error(node, f"unknown function {name}{did_you_mean(name, known)}")
        if not node.args or not isinstance(node.args[0], ast.Name):
            raise self.error(node, f"{name} needs the name of a field first")
        field = self.field(node.args[0])
        if name == "missing":
            if len(node.args) != 1:
                raise self.error(node, "missing takes one field: missing(case_number)")
            return self.leaf(logic.absent(field.name), {field.name}, presence_of=field.name)
        if name == "vague":
            if len(node.args) != 1 or field.kind != "text":
                raise self.error(node, "vague takes one field of text: vague(reason_text)")
            return self.leaf(logic.saying_nothing(field.name), {field.name})
        texts = [self.literal(argument) for argument in node.args[1:]]
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise self.error(node, f'{name} needs text after the field: {name}({field.name}, "text")')
        if field.kind != "text":
            raise self.error(node, f"{field.name} is a {field.kind}, not text")
        folded = tuple(str(text).casefold() for text in texts)
        if name == "contains":
            return self.leaf(logic.containing(field.name, folded), {field.name})
        whole = tuple(text.strip() for text in folded)
        return self.leaf(logic.equal_to_any(field.name, whole), {field.name})

    def declared(self, node: ast.Call, function: Function) -> Test:
        fields = set(function.reads)
        getters: list[Callable[[Search], object]] = []
        for argument in node.args:
            if isinstance(argument, ast.Name):
                fields.add(self.field(argument).name)
                getters.append(operator.attrgetter(argument.id))
            else:
                getters.append(logic.constant(self.literal(argument)))
        return self.leaf(logic.applied(function.call, tuple(getters)), fields)

    def field(self, node: ast.Name) -> Field:
        found = FIELDS.get(node.id)
        if found is None:
            raise self.error(node, f"unknown field {node.id}{did_you_mean(node.id, FIELDS)}")
        return found

    def literal(self, node: ast.expr) -> str | int | float | bool:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            number = getattr(node.operand, "value", None)
            if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number):
                return -number
        if not isinstance(node, ast.Constant):
            raise self.error(node, "expected a value: text in quotes, a number, True or False")
        if node.value is None:
            raise self.error(node, "None is not a value; write missing(field)")
        if not isinstance(node.value, str | int | float | bool):
            raise self.error(node, "expected text in quotes, a number, True or False")
        if isinstance(node.value, float) and not math.isfinite(node.value):
            raise self.error(node, "a number must be finite")
        return node.value

    def check(self, node: ast.expr, field: Field, value: str | int | float | bool, ordered: bool) -> None:
        """Refuse a value that the field can never have."""
        given = "truth" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
        if given != field.kind:
            raise self.error(node, f"{field.name} is a {field.kind} and cannot be compared with {value!r}")
        if ordered and (field.kind == "truth" or field.values):
            raise self.error(node, f"{field.name} has no order; use == or in")
        if field.values and value not in field.values:
            raise self.error(node, f"{field.name} is never {value!r}{did_you_mean(str(value), field.values)}")
