"""Penalties, sums of them, presets and chosen strengths, side by side on tables and images."""
