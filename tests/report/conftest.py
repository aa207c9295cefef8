from tests.experiment.conftest import made_up

__all__ = ["made_up"]
