"""Moved: see detections.reports.tables."""

from detections.reports.tables import *  # noqa: F403
