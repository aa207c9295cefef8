from __future__ import annotations

from hypothesis import settings

# A busy machine makes examples slow, not wrong. The same examples each time: a run of the tests is a function of the
# code alone. New ones are sought on purpose: pytest --hypothesis-profile explore.
settings.register_profile("requeue", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("requeue")
