"""One protocol for all comparisons: tasks, equal tuning, measures, and sections of results."""
