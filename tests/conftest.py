"""ResolvedSettings of all tests."""

from hypothesis import HealthCheck, settings

# Cores are shared with others: how long an example takes says nothing.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")
