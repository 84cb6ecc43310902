"""Where a derivation or a verdict could go wrong: dense kernels, several members a class, powers, ranges, names."""

from fractions import Fraction
from itertools import product
from math import factorial

import pytest
import sympy as sp

from symicl import (
    Coordinate,
    Expectation,
    FeatureClass,
    FeatureSet,
    InputError,
    Parameter,
    Run,
    SumOver,
    System,
    SystemFamily,
    TokenCounts,
    always,
    check,
    claim,
    conserved,
    equal,
    infimum,
    iterate,
    load_system,
    nonnegative,
    nonpositive,
    reduce_system,
    restrict,
    update,
)
from symicl import first_step as symicl_first_step
from symicl.systems.structured_features import (
    COUNTS,
    PROBABILITIES,
    QUERY,
    SCORES,
    feature_class,
    structured_features,
)

R = sp.Rational
balanced, dominant = load_system("huang2024.balanced"), load_system("huang2024.dominant")


def verdict(statement):
    return check(claim(statement)).verdict.value


def outcomes(trials, cells):
    """All count vectors."""
    return (c for c in product(range(trials + 1), repeat=cells) if sum(c) == trials)


def chance(counts, probabilities):
    """The multinomial probability of a count vector."""
    result = Fraction(factorial(sum(counts)))
    for count, share in zip(counts, probabilities, strict=True):
        result *= Fraction(share) ** count / factorial(count)
    return result


def rho_kernel(m, n):
    return (1 - R(1, 3)) * sp.KroneckerDelta(m, n) + R(1, 3)


def gram(size):
    return [[Fraction(1) if m == n else Fraction(1, 3) for n in range(size)] for m in range(size)]


def first_step(probabilities, length, query, matrix):
    """Loss and score gradient of one query at zero scores, from the definition of the layer, in exact fractions."""
    size = len(probabilities)
    loss, slopes = Fraction(0), [Fraction(0)] * size
    for counts in outcomes(length, size):
        a = [Fraction(count, length) for count in counts]
        error = [a[m] - (m == query) for m in range(size)]
        pull = [sum(matrix[m][n] * error[n] for n in range(size)) for m in range(size)]
        weight = chance(counts, probabilities)
        loss += weight * sum(e * g for e, g in zip(error, pull, strict=True)) / 2
        inner = sum(b * g for b, g in zip(a, pull, strict=True))
        for n in range(size):
            slopes[n] += weight * Fraction(probabilities[query]) * a[n] * (pull[n] - inner)
    return loss, slopes


def exactly(system, steps):
    return iterate(reduce_system(system), Run(sp.Integer(1), steps=steps), "rational")


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_dense_kernel_with_several_members_a_class(size, length):
    """Sums over pairs of features of one class, under the law of prompts, against enumeration of all prompts."""
    group = feature_class("other", sp.Integer(size), R(1, size))
    features = FeatureSet(sp.Integer(size), (group,), ((QUERY, "other"),))
    system = structured_features(features, sp.Integer(length), id="dense", title="dense", kernel=rho_kernel)
    loss, slopes = first_step([Fraction(1, size)] * size, length, 0, gram(size))
    assert str(exactly(system, 0).loss) == str(loss)
    assert [str(s) for s in exactly(system, 1).states] == [str(-slopes[0]), str(-slopes[1])]
    assert verdict(conserved(system, f"S_k + {size - 1}*S_other")) == "proved"


def test_a_dense_kernel_with_two_classes_and_all_queries():
    shares = [Fraction(1, 4), Fraction(1, 4), Fraction(1, 2)]
    classes = (feature_class("x", sp.Integer(2), R(1, 4)), feature_class("y", sp.Integer(1), R(1, 2)))
    features = FeatureSet(sp.Integer(3), classes)
    system = structured_features(features, sp.Integer(3), id="whole", title="whole", kernel=rho_kernel)
    columns = [first_step(shares, 3, query, gram(3)) for query in range(3)]
    assert str(exactly(system, 0).loss) == str(sum(p * loss for p, (loss, _) in zip(shares, columns, strict=True)))
    moved = exactly(system, 1)
    entries = {"S_same_x": (0, 0), "S_x_x": (1, 0), "S_y_x": (2, 0), "S_x_y": (0, 2), "S_same_y": (2, 2)}
    for name, (n, k) in entries.items():
        assert str(moved.state(name)) == str(-columns[k][1][n])


def test_pairs_of_different_members():
    """E of the sum over m != n of N_m N_n is N(N-1)(1 - 1/K): 4/3 at N = 2 and K = 3."""
    u = sp.Symbol("u", real=True)
    features = FeatureSet(sp.Integer(3), (FeatureClass("x", sp.Integer(3), ((PROBABILITIES, R(1, 3)),)),))
    pairs = features.sum(lambda m: features.sum(lambda n: COUNTS[m] * COUNTS[n], other_than=(m,)))
    loss = u**2 / 2 * Expectation(pairs, TokenCounts(COUNTS, sp.Integer(2), PROBABILITIES, sp.Integer(3)))
    start = (Coordinate(u, start=sp.S.One),)
    system = System("pairs", "pairs", loss, loss, start, features, simplices=(PROBABILITIES,))
    assert str(exactly(system, 0).loss) == "2/3"
    assert verdict(always(system, "loss >= 1", to=0)) == "refuted"


@pytest.mark.parametrize("text", ["A**(2*B)", "(-2)**(2*A)", "log(A)**2", "(A*B)**(2*A)"])
def test_an_even_power_of_what_may_not_be_real_is_no_square(text):
    assert verdict(nonnegative(balanced(), text)) != "proved"


def test_even_powers_of_real_things_are_squares():
    assert verdict(nonnegative(balanced(), "(A - B)**2*exp(A)")) == "proved"
    assert verdict(nonnegative(dominant(), "(p1**(1/2) - A)**2")) == "proved"


def plain(loss, *coordinates):
    return System("plain", "plain", loss, loss, coordinates)


def family(loss, *parameters):
    symbols = {parameter.name: parameter.symbol for parameter in parameters}
    u = Coordinate(sp.Symbol("u", real=True))

    def build(values):
        return plain(loss.xreplace({symbols[name]: value for name, value in values.items()}), u)

    return SystemFamily("family", "family", parameters, build)


def test_a_leading_coefficient_that_may_vanish_is_no_limit():
    """1/(1 + (r-1) e^u) tends to 0 for r > 1 and is 1 for r = 1."""
    r, u = sp.Symbol("r", positive=True), sp.Symbol("u", real=True)
    loss = 1 / (1 + (r - 1) * sp.exp(u))
    assert verdict(infimum(family(loss, Parameter(r, "r", minimum=1))(), 0)) != "proved"
    assert verdict(infimum(family(loss, Parameter(r, "r", minimum=2))(), 0)) == "proved"


@pytest.mark.parametrize(
    ("symbol", "bounds", "true"),
    [
        (sp.Symbol("r", integer=True, positive=True), {"minimum": 1, "below": sp.Integer(3)}, lambda r: 2 - r),
        (sp.Symbol("r", integer=True, positive=True), {"above": sp.Integer(5)}, lambda r: r - 6),
        (sp.Symbol("r", integer=True, negative=True), {}, lambda r: -r - 1),
        (sp.Symbol("r", positive=True), {"above": sp.Integer(1)}, lambda r: r - 1),
        (sp.Symbol("r", even=True, positive=True), {}, lambda r: r - 2),
    ],
)
def test_witnesses_stay_in_the_range(symbol, bounds, true):
    loss = sp.exp(-sp.Symbol("u", real=True)) * symbol
    assert verdict(nonnegative(family(loss, Parameter(symbol, "r", **bounds))(), true(symbol))) != "refuted"


def test_witnesses_have_probabilities():
    """Three classes with p1, p2 and 1-p1-p2: the query's own score never falls, at any law."""
    p1, p2 = sp.symbols("p1 p2", positive=True)
    unit = {"above": sp.Integer(0), "below": sp.Integer(1)}

    def build(v):
        rest = 1 - v["p1"] - v["p2"]
        classes = tuple(feature_class(n, sp.S.One, p) for n, p in zip("abc", (v["p1"], v["p2"], rest), strict=True))
        return structured_features(FeatureSet(sp.Integer(3), classes, ((QUERY, "a"),)), sp.oo, id="three", title="t")

    three = SystemFamily("three", "three", (Parameter(p1, "p1", **unit), Parameter(p2, "p2", **unit)), build)
    assert verdict(nonnegative(three(), update(three(), "S_k"))) != "refuted"


def test_parameters_have_the_properties_of_their_symbols():
    r = sp.Symbol("r", positive=True)
    with pytest.raises(InputError):
        family(sp.exp(-sp.Symbol("u", real=True)) * r, Parameter(r, "r"))(r=-3)


@pytest.mark.parametrize("name", ["eta", "loss"])
def test_names_that_mean_something_else_are_refused(name):
    x = sp.Symbol(name, real=True)
    with pytest.raises(InputError, match="two things"):
        restrict(plain(sp.exp(-x), Coordinate(x)))


def test_a_trained_number_is_not_assumed_to_have_a_sign():
    x, n = sp.Symbol("x", positive=True), sp.Symbol("n", integer=True, positive=True)
    for variable in (x, sp.IndexedBase(x)[n]):
        with pytest.raises(InputError, match="any real value"):
            Coordinate(variable)


def test_a_trained_number_starts_at_an_exact_one():
    for start in (0.1, sp.Float("0.1")):
        with pytest.raises(InputError, match="exact"):
            Coordinate(sp.Symbol("x", real=True), start=start)


@pytest.mark.parametrize("steps", [27.0, sp.Float(27), True, "27"])
def test_a_number_of_steps_is_an_integer(steps):
    """27 steps is true at K = 4; written as a float it would certify through a float."""
    with pytest.raises(InputError, match="number of steps"):
        symicl_first_step(balanced(K=4, N="inf"), "loss <= 1/10", "==", steps)
    with pytest.raises(InputError, match="number of steps"):
        always(balanced(K=4, N="inf"), "loss <= 1", to=30, start=steps)


@pytest.mark.parametrize("trials", [R(5, 2), -1, 2.0])
def test_a_number_of_draws_is_an_integer(trials):
    with pytest.raises(InputError, match="number of draws"):
        TokenCounts(COUNTS, trials, PROBABILITIES, sp.Integer(2))


def test_a_delta_with_a_number_may_lie_outside_the_sum():
    """The sum over j in 1..K of delta(j, K+1) w_j is 0 and not w_{K+1}."""
    generic = load_system("huang2024.generic")(N="inf")
    size, j, w = generic.features.size, sp.Symbol("j", integer=True, positive=True), sp.IndexedBase("w")
    for limit, outside in ((size, size + 1), (sp.Integer(2), sp.Integer(3))):
        total = SumOver(sp.KroneckerDelta(j, outside) * w[j], j, limit)
        assert verdict(equal(generic, total, w[outside])) != "proved"


def test_a_sum_of_what_may_not_be_real_has_no_sign():
    generic = load_system("huang2024.generic")(N="inf")
    j, w = sp.Symbol("j", integer=True, positive=True), sp.IndexedBase("w")
    for body in (sp.log(w[j]) ** 2, sp.sqrt(w[j]) ** 4 * sp.log(w[j]) ** 2):
        assert verdict(nonnegative(generic, SumOver(body, j, generic.features.size))) != "proved"
    assert verdict(nonnegative(generic, SumOver(w[j] ** 2, j, generic.features.size))) == "proved"


def test_a_kernel_that_compares_indices_in_python_is_refused():
    features = FeatureSet(sp.Integer(2), (feature_class("x", sp.Integer(2), R(1, 2)),))
    with pytest.raises(InputError, match="KroneckerDelta"):
        structured_features(features, sp.oo, id="py", title="py", kernel=lambda m, n: sp.Integer(int(m == n)))


def test_a_class_named_like_the_query_is_refused():
    features = FeatureSet(sp.Integer(2), (feature_class("k", sp.Integer(2), R(1, 2)),))
    with pytest.raises(InputError, match="rename the class"):
        restrict(structured_features(features, sp.Integer(2), id="named", title="named"))


def test_sizes_that_are_sums_of_parameters():
    m, size = sp.Symbol("M", integer=True, positive=True), sp.Symbol("L", integer=True, positive=True)

    def build(v):
        share = 1 / (v["M"] + v["L"])
        classes = (feature_class("x", v["M"], share), feature_class("y", v["L"], share))
        features = FeatureSet(v["M"] + v["L"], classes, ((QUERY, "x"),))
        return structured_features(features, sp.oo, id="sum", title="sum")

    sums = SystemFamily("sum", "sum", (Parameter(m, "M", minimum=2), Parameter(size, "L", minimum=1)), build)
    assert verdict(conserved(sums(), "S_k + (M-1)*S_x + L*S_y")) == "proved"
    assert verdict(conserved(sums(), "S_k + M*S_x + L*S_y")) == "refuted"
    assert verdict(nonpositive(sums(), "M - 2")) == "refuted"


def test_two_queries_of_one_class_with_prompts():
    """Two placed features have scores of their own: the law of prompts keeps their counts apart."""
    other = sp.Symbol("l", integer=True, positive=True)
    a, b = sp.symbols("a b", integer=True, positive=True)
    features = FeatureSet(sp.Integer(3), (feature_class("x", sp.Integer(3), R(1, 3)),), ((QUERY, "x"), (other, "x")))
    weights = features.sum(lambda m: COUNTS[m] * sp.exp(SCORES[m, QUERY]))
    law = TokenCounts(COUNTS, sp.Integer(2), PROBABILITIES, sp.Integer(3))
    loss = Expectation(COUNTS[other] * sp.exp(SCORES[other, QUERY]) / weights, law)
    system = System("two", "two", loss, loss, (Coordinate(SCORES[a, b]),), features, simplices=(PROBABILITIES,))
    assert str(exactly(system, 0).loss) == "1/3"


def test_a_false_multiplicity_is_refuted_and_the_true_one_proved():
    group = feature_class("other", sp.Integer(4), R(1, 4))
    features = FeatureSet(sp.Integer(4), (group,), ((QUERY, "other"),))
    system = structured_features(features, sp.Integer(2), id="dense", title="dense", kernel=rho_kernel)
    assert verdict(equal(system, update(system, "S_k") + 3 * update(system, "S_other"), 0)) == "proved"
    assert verdict(equal(system, update(system, "S_k") + 2 * update(system, "S_other"), 0)) == "refuted"


def test_a_plain_coordinate_beside_a_placed_feature():
    """u^2/2 times the mass of the other features, 2/3: one step of size 1 from u = 1 leads to 1/3."""
    u, placed = sp.Symbol("u", real=True), sp.Symbol("l", integer=True, positive=True)
    group = FeatureClass("x", sp.Integer(3), ((PROBABILITIES, R(1, 3)),))
    features = FeatureSet(sp.Integer(3), (group,), ((placed, "x"),))
    law = TokenCounts(COUNTS, sp.Integer(1), PROBABILITIES, sp.Integer(3))
    masses = (
        features.sum(lambda m: PROBABILITIES[m], other_than=(placed,)),
        Expectation(features.sum(lambda m: COUNTS[m], other_than=(placed,)), law),
        2 * PROBABILITIES[placed],
        2 * Expectation(COUNTS[placed], law),
    )
    for mass in masses:
        loss = u**2 / 2 * mass
        start = (Coordinate(u, start=sp.S.One),)
        system = System("p", "p", loss, loss, start, features, simplices=(PROBABILITIES,))
        assert str(exactly(system, 1).state("u")) == "1/3"
        assert str(exactly(system, 0).loss) == "1/3"


def test_a_bounded_exponent_has_no_exponential_limit():
    u = sp.Symbol("u", real=True)
    system = plain(sp.exp(-1 / (1 + sp.exp(-u))), Coordinate(u))
    assert verdict(infimum(system, 0)) != "proved"
    assert verdict(infimum(system, "exp(-1)")) != "refuted"


@pytest.mark.parametrize(
    "text", ["exp(u*log(u))", "exp(u**(1/2))", "exp(u*log(u)) + 1", "2**(u**(1/2))", "2**(u*log(u))"]
)
def test_an_exponential_of_what_may_not_be_real_has_no_sign(text):
    u = sp.Symbol("u", real=True)
    assert verdict(nonnegative(plain(sp.exp(-u), Coordinate(u)), text)) != "proved"


@pytest.mark.parametrize(
    ("symbol", "false"),
    [
        (sp.Symbol("r", integer=True), lambda r: R(1, 2) ** r - 1),
        (sp.Symbol("r", positive=True), lambda r: sp.exp(r) - 3),
    ],
)
def test_witnesses_near_the_start_of_a_range_are_found(symbol, false):
    loss = sp.exp(-sp.Symbol("u", real=True)) * (symbol + 4)
    least = 1 if symbol.is_positive else -3
    assert verdict(nonnegative(family(loss, Parameter(symbol, "r", minimum=least))(), false(symbol))) == "refuted"
