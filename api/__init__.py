"""Read-only HTTP over the lake and the detections, with the console."""
