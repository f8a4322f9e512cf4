# How much of a folder's disk is free, in one line.
set -u
export LC_ALL=C.UTF-8
df -Ph "$1" | awk 'NR == 2 { print $4 " of " $2 " are free on the disk at " $6 }'
