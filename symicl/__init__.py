"""symicl: derive, reduce, iterate, judge and typeset what gradient descent does to attention weights.

The names below are public, in the order of the pipeline: a system says what is trained; everything else follows.
"""

from symicl.arithmetic import ARITHMETICS, Arithmetic, Guarantee, arithmetic
from symicl.asymptotics import expansion, leading_term
from symicl.claims.base import Claim, Evidence, Outcome, Verdict, claim
from symicl.claims.check import check
from symicl.claims.descends import descends, stable_up_to
from symicl.claims.durations import duration
from symicl.claims.from_on import from_on
from symicl.claims.holding import holds_at
from symicl.claims.limits import tends_to
from symicl.claims.loader import load_claims, load_papers, load_system
from symicl.claims.sizes import phases_at, steps_between
from symicl.claims.statements import (
    always,
    at_start,
    between,
    conserved,
    equal,
    first_step,
    infimum,
    nonnegative,
    nonpositive,
    norm_at_most,
    rate,
    simplex,
    sooner,
    update,
)
from symicl.claims.threshold import Threshold, threshold
from symicl.claims.unreachable import unreachable
from symicl.derive import Update, derive, hessian
from symicl.descent import Descent, Rule, process_of
from symicl.errors import BudgetError, DerivationError, InputError, SymiclError, UndecidedError
from symicl.evaluate import compile_expressions, value_of
from symicl.expectation import Expectation, Multinomial, RandomTask, TokenCounts, multinomial_mean
from symicl.flow import Flow, flow
from symicl.gaussian import Gaussian, Joint, Unspecified, averaged, centred, stein
from symicl.grammar import Condition, exact, format_expression, parse_condition, parse_expression, parse_value
from symicl.indices import Index, SumOver, partial
from symicl.iterate import Row, Run, Trajectory, iterate
from symicl.leaping import Leap, Leaper, leap, prepare_leaps
from symicl.notation import fold, unfold
from symicl.process import LOSS
from symicl.prompt_expansion import prompt_expansion
from symicl.reduce import Recurrence, commutation_defects, reduce_system
from symicl.stability import Cycle, Rest, rest_of, two_cycle
from symicl.symmetry import State, SymmetricSystem, restrict
from symicl.systems.base import (
    Coordinate,
    Definition,
    FeatureClass,
    FeatureSet,
    IndexRange,
    Parameter,
    StateNames,
    System,
    SystemFamily,
)

__version__ = "0.1.0"

__all__ = [
    "Coordinate",
    "Definition",
    "FeatureClass",
    "FeatureSet",
    "IndexRange",
    "Parameter",
    "StateNames",
    "System",
    "SystemFamily",
    "Index",
    "Expectation",
    "Multinomial",
    "RandomTask",
    "SumOver",
    "TokenCounts",
    "multinomial_mean",
    "Gaussian",
    "Joint",
    "Unspecified",
    "averaged",
    "centred",
    "stein",
    "partial",
    "Update",
    "derive",
    "hessian",
    "expansion",
    "leading_term",
    "fold",
    "unfold",
    "State",
    "SymmetricSystem",
    "restrict",
    "Recurrence",
    "commutation_defects",
    "reduce_system",
    "prompt_expansion",
    "ARITHMETICS",
    "Arithmetic",
    "Guarantee",
    "arithmetic",
    "compile_expressions",
    "value_of",
    "LOSS",
    "Descent",
    "Rule",
    "process_of",
    "Row",
    "Run",
    "Trajectory",
    "iterate",
    "Leap",
    "Leaper",
    "leap",
    "prepare_leaps",
    "Flow",
    "flow",
    "Cycle",
    "Rest",
    "rest_of",
    "two_cycle",
    "Claim",
    "Evidence",
    "Outcome",
    "Verdict",
    "always",
    "at_start",
    "between",
    "check",
    "claim",
    "conserved",
    "descends",
    "duration",
    "equal",
    "first_step",
    "holds_at",
    "from_on",
    "infimum",
    "load_claims",
    "load_papers",
    "load_system",
    "nonnegative",
    "nonpositive",
    "norm_at_most",
    "phases_at",
    "rate",
    "simplex",
    "sooner",
    "steps_between",
    "tends_to",
    "stable_up_to",
    "Threshold",
    "threshold",
    "unreachable",
    "update",
    "Condition",
    "exact",
    "format_expression",
    "parse_condition",
    "parse_expression",
    "parse_value",
    "SymiclError",
    "InputError",
    "DerivationError",
    "UndecidedError",
    "BudgetError",
    "__version__",
]
