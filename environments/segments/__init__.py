"""How many profiles each segment holds, kept once a day: `keeping` counts, `sizes` tells."""
