from __future__ import annotations

from hypothesis import settings

# A busy machine makes examples slow, not wrong.
settings.register_profile("requeue", deadline=None)
settings.load_profile("requeue")
