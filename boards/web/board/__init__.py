"""The board, its cards and what stands above its columns."""
