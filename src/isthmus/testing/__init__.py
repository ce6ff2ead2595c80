"""Public contract suites: what every method must satisfy because its card says so.

Plugins run the same suites over their own methods::

    import pytest
    from isthmus.core.registry import method
    from isthmus.testing.measures import CHECKS

    @pytest.mark.parametrize("check", CHECKS)
    def test_my_measure(check):
        check(method("measures", "my_measure"))
"""
