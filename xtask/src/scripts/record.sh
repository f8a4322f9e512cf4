# Appends a line to the record. Nothing reads it to decide. Standard input: the line.
cat >>"$folder/deploys.jsonl"
