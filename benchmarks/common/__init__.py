"""What benchmarks share: timing, reports, and white-box distances."""
