"""What every test shares: Hypothesis examples carry no deadline, for a busy machine is not a bug."""

from hypothesis import settings

settings.register_profile("traceward", deadline=None)
settings.load_profile("traceward")
