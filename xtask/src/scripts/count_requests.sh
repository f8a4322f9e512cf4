# Counts the requests of each slot since byte $2 of nginx's log of them: how many there were, how many ended with an error of the app (5xx), and how long they
# took, in steps of a hundredth. Has nginx write that log for the next ten minutes at least. Prints the slot, the two numbers, and of the times STEP:NUMBER; at last where
# the log ends now. A byte below 0 begins a new log.
log=$1 from=$2
[ "$from" -ge 0 ] || { from=0 && : >"$log"; }
printf -v now '%(%Y-%m-%dT%H:%M)T' -1
printf -v epoch '%(%s)T' -1
printf -v later '%(%Y-%m-%dT%H:%M)T' "$((epoch + 600))"
for minutes in "${now%?}" "${later%?}"; do : >>"$folder/$count_file$minutes"; done
for old in "$folder/$count_file"*; do
  case $old in "$folder/$count_file${now%?}" | "$folder/$count_file${later%?}") ;; *) rm -f "$old" ;; esac
done
size=$(stat -c %s "$log")
# More than it had: somebody has emptied it.
[ "$from" -le "$size" ] || from=0
tail -c "+$((from + 1))" "$log" | {
  head -c "$((size - from < 67108864 ? size - from : 67108864))"
  cat >/dev/null # what has come since; it is read next time
} | awk '
  $1 != "blue" && $1 != "green" { next }
  $3 == "-" { next }
  {
    requests[$1]++
    if ($2 >= 500) errors[$1]++
    sub(/.*[ ,:]/, "", $NF)
    step = int(log($NF * 1000 + 1) * 100)
    times[$1 " " step]++
  }
  END {
    for (key in times) { split(key, parts, " "); steps[parts[1]] = steps[parts[1]] " " parts[2] ":" times[key] }
    for (slot in requests) printf "%s\t%d\t%d\t%s\n", slot, requests[slot], errors[slot], substr(steps[slot], 2)
  }'
printf 'end\t%s\n' "$size"
