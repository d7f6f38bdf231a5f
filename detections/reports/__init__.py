"""Reports: one module per format. ``FORMATS`` names them as ``--format`` does."""

from __future__ import annotations

from detections.reports import html, json, jsonl, markdown, text
from detections.reports.interface import Report

FORMATS: dict[str, Report] = {"table": text, "json": json, "jsonl": jsonl, "markdown": markdown, "html": html}

__all__ = ["FORMATS", "Report"]
