"""Many images: where they come from, how they are judged in batches, how their records are written."""
