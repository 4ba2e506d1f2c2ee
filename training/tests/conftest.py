"""Skips every test here, with a message, where PyTorch is not installed."""

from __future__ import annotations

import importlib.util

collect_ignore_glob: list[str] = []

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob.append("test_*.py")


def pytest_report_header() -> str | None:
    """Say why nothing is collected."""
    return "skipped: PyTorch is not installed (make train-setup)" if collect_ignore_glob else None
