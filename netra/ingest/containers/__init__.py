"""CSV, JSONL and Parquet files -> blocks of rows, in bounded memory."""
