# Keeps what comes through standard input as the archive of a release to be. It stays apart until it is verified.
release=$1
exec cat >"$folder/releases/.incoming-$release.tar.gz"
