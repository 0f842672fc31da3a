"""One module per step; steps that were released are never edited."""
