# Ends with $files_not_as_shipped, naming some, where files of a release are no longer as they were shipped.
refuse_changed_files "$1"
