"""Where names are bound and how members are written, for each language, by tree-sitter node types.

A language that is not here gets no renames: a wrong one costs more than a missing one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

Binding = Literal[
    "function", "prototype", "class", "parameter", "variable", "assigned", "loop", "import", "field"
]
"""`assigned` may bind anew or change what is bound; `loop` binds for what follows."""

Edge = tuple[str, str | None]
"""Type of a node, and the field by which its child is reached."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Naming:
    """The table of one language.

    Attributes:
        functions: Nodes whose parameters and variables are their own.
        classes: Nodes that have members.
        blocks: Other nodes that end the life of a variable declared in them.
        bindings: Edges from a node that binds to the name or the pattern with the name.
        patterns: Edges that a binding reaches through.
        members: Edges to a member's name, with the field of what it is a member of (None: unnamed).
        own: How a method names its object.
        keyword: Edge to the name in a keyword argument.
        implicit: Members are also written without their object.
        hoists: A name that a function assigns is the function's own.
        relets: A name may be declared again in its scope, and is another variable then.
    """

    functions: frozenset[str]
    classes: frozenset[str]
    blocks: frozenset[str] = frozenset()
    bindings: dict[Edge, Binding]
    patterns: frozenset[Edge] = frozenset()
    members: dict[Edge, str | None]
    own: frozenset[str] = frozenset({"this"})
    keyword: Edge | None = None
    implicit: bool = False
    hoists: bool = False
    relets: bool = False

    @property
    def scopes(self) -> frozenset[str]:
        """All nodes that a name can be bound in."""
        return self.functions | self.classes | self.blocks

    def may_bind(self, kind: str) -> bool:
        """Whether a node of this type binds names or passes a binding on."""
        return kind in _binders(self)


@cache
def _binders(rules: Naming) -> frozenset[str]:
    return frozenset(node for node, _ in (*rules.bindings, *rules.patterns))


def _edges(text: str) -> frozenset[Edge]:
    """`node.field`, or `node` for a child without a field; divided by blanks."""
    return frozenset(_edge(word) for word in text.split())


def _edge(word: str) -> Edge:
    node, _, field = word.partition(".")
    return node, field or None


def _bindings(**kinds: str) -> dict[Edge, Binding]:
    made: dict[Edge, Binding] = {}
    for kind, edges in kinds.items():
        for edge in _edges(edges):
            made[edge] = cast("Binding", kind)
    return made


_PYTHON = Naming(
    functions=frozenset(
        {
            "function_definition",
            "lambda",
            "list_comprehension",
            "set_comprehension",
            "dictionary_comprehension",
            "generator_expression",
        }
    ),
    classes=frozenset({"class_definition"}),
    bindings=_bindings(
        function="function_definition.name",
        **{"class": "class_definition.name"},
        parameter="parameters lambda_parameters default_parameter.name "
        "typed_default_parameter.name",
        assigned="assignment.left named_expression.name",
        loop="for_statement.left for_in_clause.left as_pattern.alias",
        **{"import": "import_statement.name import_from_statement.name aliased_import.alias"},
    ),
    patterns=_edges(
        "pattern_list tuple_pattern list_pattern list_splat_pattern dictionary_splat_pattern "
        "as_pattern_target typed_parameter dotted_name"
    ),
    members={("attribute", "attribute"): "object"},
    own=frozenset({"self", "cls"}),
    keyword=("keyword_argument", "name"),
    hoists=True,
)

_SCRIPT = Naming(
    functions=frozenset(
        {
            "function_declaration",
            "function_expression",
            "generator_function_declaration",
            "generator_function",
            "arrow_function",
            "method_definition",
            "function_type",
            "function_signature",
            "method_signature",
            "abstract_method_signature",
            "call_signature",
        }
    ),
    classes=frozenset(
        {"class_declaration", "class", "abstract_class_declaration", "interface_declaration"}
    ),
    blocks=frozenset({"statement_block", "for_statement", "for_in_statement", "catch_clause"}),
    bindings=_bindings(
        function="function_declaration.name generator_function_declaration.name "
        "method_definition.name method_signature.name",
        **{
            "class": "class_declaration.name abstract_class_declaration.name "
            "interface_declaration.name type_alias_declaration.name enum_declaration.name"
        },
        parameter="formal_parameters required_parameter.pattern optional_parameter.pattern "
        "arrow_function.parameter",
        variable="variable_declarator.name for_in_statement.left catch_clause.parameter",
        assigned="assignment_expression.left",
        **{"import": "import_specifier.name import_specifier.alias import_clause namespace_import"},
        field="public_field_definition.name field_definition.property property_signature.name",
    ),
    patterns=_edges(
        "object_pattern array_pattern pair_pattern.value assignment_pattern.left "
        "object_assignment_pattern.left rest_pattern"
    ),
    members={("member_expression", "property"): "object"},
)

_JAVA = Naming(
    functions=frozenset({"method_declaration", "constructor_declaration", "lambda_expression"}),
    classes=frozenset(
        {"class_declaration", "interface_declaration", "enum_declaration", "record_declaration"}
    ),
    blocks=frozenset(
        {
            "block",
            "for_statement",
            "enhanced_for_statement",
            "catch_clause",
            "try_with_resources_statement",
        }
    ),
    bindings=_bindings(
        function="method_declaration.name constructor_declaration.name",
        **{
            "class": "class_declaration.name interface_declaration.name enum_declaration.name "
            "record_declaration.name"
        },
        parameter="formal_parameter.name lambda_expression.parameters inferred_parameters "
        "catch_formal_parameter.name",
        variable="variable_declarator.name enhanced_for_statement.name resource.name",
    ),
    members={("field_access", "field"): "object", ("method_invocation", "name"): "object"},
    implicit=True,
)

_CSHARP = Naming(
    functions=frozenset(
        {
            "method_declaration",
            "constructor_declaration",
            "lambda_expression",
            "local_function_statement",
        }
    ),
    classes=frozenset(
        {"class_declaration", "interface_declaration", "struct_declaration", "record_declaration"}
    ),
    blocks=frozenset({"block", "for_statement", "foreach_statement", "catch_clause"}),
    bindings=_bindings(
        function="method_declaration.name constructor_declaration.name "
        "local_function_statement.name",
        **{
            "class": "class_declaration.name interface_declaration.name struct_declaration.name "
            "enum_declaration.name record_declaration.name"
        },
        parameter="parameter.name lambda_expression.parameters implicit_parameter",
        variable="variable_declarator.name foreach_statement.left catch_declaration.name",
        field="property_declaration.name",
    ),
    members={("member_access_expression", "name"): "expression"},
    implicit=True,
)

_C = Naming(
    functions=frozenset({"function_definition", "lambda_expression"}),
    classes=frozenset({"class_specifier", "struct_specifier", "union_specifier"}),
    blocks=frozenset({"compound_statement", "for_statement", "for_range_loop"}),
    bindings=_bindings(
        function="function_definition.declarator",
        **{
            "class": "class_specifier.name struct_specifier.name union_specifier.name "
            "enum_specifier.name type_definition.declarator"
        },
        parameter="parameter_declaration.declarator optional_parameter_declaration.declarator",
        variable="declaration.declarator for_range_loop.declarator preproc_def.name "
        "preproc_function_def.name enumerator.name",
        field="field_declaration.declarator",
    ),
    patterns=_edges(
        "init_declarator.declarator pointer_declarator.declarator reference_declarator "
        "array_declarator.declarator parenthesized_declarator function_declarator.declarator"
    ),
    members={
        ("field_expression", "field"): "argument",
        ("qualified_identifier", "name"): "scope",
        ("field_initializer", None): None,
    },
    implicit=True,
)

_GO = Naming(
    functions=frozenset(
        {
            "function_declaration",
            "method_declaration",
            "func_literal",
            "function_type",
            "method_elem",
        }
    ),
    classes=frozenset({"type_spec"}),
    blocks=frozenset(
        {
            "block",
            "for_statement",
            "if_statement",
            "expression_switch_statement",
            "type_switch_statement",
            "expression_case",
            "type_case",
            "default_case",
            "communication_case",
        }
    ),
    bindings=_bindings(
        # A method is a member by its receiver, and the file is what binds it.
        function="function_declaration.name source_file",
        **{"class": "type_spec.name"},
        parameter="parameter_declaration.name variadic_parameter_declaration.name",
        variable="var_spec.name const_spec.name short_var_declaration.left range_clause.left "
        "type_switch_statement.alias receive_statement.left",
        **{"import": "import_spec.name"},
        field="field_declaration.name",
    ),
    patterns=_edges("expression_list"),
    members={
        ("selector_expression", "field"): "operand",
        ("method_declaration", "name"): "receiver",
    },
)

_RUST = Naming(
    functions=frozenset(
        {"function_item", "closure_expression", "function_signature_item", "function_type"}
    ),
    classes=frozenset({"struct_item", "enum_item", "trait_item", "impl_item"}),
    blocks=frozenset({"block", "for_expression", "match_arm", "if_expression", "while_expression"}),
    bindings=_bindings(
        function="function_item.name",
        **{"class": "struct_item.name enum_item.name trait_item.name type_item.name"},
        parameter="parameter.pattern closure_parameters",
        variable="let_declaration.pattern for_expression.pattern const_item.name static_item.name "
        "match_pattern let_condition.pattern",
        field="field_declaration.name",
    ),
    patterns=_edges(
        "tuple_pattern slice_pattern mut_pattern ref_pattern reference_pattern "
        "tuple_struct_pattern struct_pattern field_pattern.name field_pattern.pattern "
        "captured_pattern or_pattern"
    ),
    members={("field_expression", "field"): "value", ("scoped_identifier", "name"): "path"},
    own=frozenset({"self", "Self"}),
    relets=True,
)

_NAMINGS = {
    "python": _PYTHON,
    "javascript": _SCRIPT,
    "javascriptreact": _SCRIPT,
    "typescript": _SCRIPT,
    "typescriptreact": _SCRIPT,
    "java": _JAVA,
    "csharp": _CSHARP,
    "c": _C,
    "cpp": _C,
    "cuda-cpp": _C,
    "go": _GO,
    "rust": _RUST,
}


def naming(language: str) -> Naming | None:
    """The table of an LSP language identifier; None where names are not followed."""
    return _NAMINGS.get(language)
