import os

import pytest

from tests.experiment.conftest import made_up
from tests.report.browser import executable, opened

__all__ = ["made_up"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    found = executable()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium, which CI needs: .ci/run installs Debian's package")
        pytest.skip("no Chromium here, so the report is not opened in a browser: apt-get install chromium")
    with opened(found, tmp_path_factory.mktemp("profile")) as shown:
        yield shown
