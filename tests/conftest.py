"""What holds for every test: a slow machine is no fault of what it tries."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("vigil", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vigil")
