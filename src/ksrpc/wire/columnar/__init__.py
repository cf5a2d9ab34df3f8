"""Values that are Arrow: of pyarrow and of polars. Each module is imported when the first such value is met."""
