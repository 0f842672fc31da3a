"""Bring your own data: any CSV or Parquet, through a mapping file, to the canonical table of `features.table`."""
