"""What black-box attacks cost and find, next to two other libraries."""
