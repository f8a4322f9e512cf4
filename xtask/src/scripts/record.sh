# Appends a line to the record, which others cannot read. Nothing reads it to decide. Standard input: the line.
umask 077
cat >>"$folder/$record_file"
chmod 0600 "$folder/$record_file"
