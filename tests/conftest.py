"""One seed a run, printed in its header, and two Hypothesis profiles.

``SYMICL_HYPOTHESIS_PROFILE`` picks the profile (``dev`` or ``ci``), ``SYMICL_SEED`` the seed. To repeat a failed run,
give it the seed its header shows.
"""

from __future__ import annotations

import os
import secrets

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does: neither deadlines nor the health check on speed say
# anything about the code.
_PROFILES = {
    name: settings(
        max_examples=max_examples,
        deadline=None,
        derandomize=False,
        print_blob=True,
        # Whether a few cheap filters pass often enough is a matter of the seed.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    for name, max_examples in {"dev": 20, "ci": 300}.items()
}


def _profile_name() -> str:
    name = os.environ.get("SYMICL_HYPOTHESIS_PROFILE", "dev")
    if name not in _PROFILES:
        raise pytest.UsageError(f"SYMICL_HYPOTHESIS_PROFILE is {name!r}; set it to one of {', '.join(_PROFILES)}")
    return name


def _seed() -> int:
    text = os.environ.get("SYMICL_SEED") or str(secrets.randbelow(2**32))
    try:
        return int(text)
    except ValueError:
        raise pytest.UsageError(f"SYMICL_SEED is {text!r}; set it to an integer") from None


# First, because Hypothesis' own plugin reads the seed in the same hook. The workers of pytest-xdist get the options of
# the process that started them, seed included, so one run has one seed.
@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    for name, profile in _PROFILES.items():
        settings.register_profile(name, profile)
    settings.load_profile(_profile_name())
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = str(_seed())


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.getoption("--hypothesis-seed")
    return f"symicl: profile {_profile_name()}, seed {seed} (repeat with SYMICL_SEED={seed})"
