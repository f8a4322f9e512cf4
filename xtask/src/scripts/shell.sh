# Runs the scripts of one run of the tool, one after the other, and holds the deploy lock meanwhile.
#
# Standard input: per script a line `run NUMBER LINE_BYTES INPUT_BYTES PRIORITY NAME` (or `then`: only if the one before succeeded),
# its command line, its input. The first script comes as the argument $7: ssh sends no input before the command has been
# answered for. `stop` ends the script that runs, the second time by force; an empty line says that the
# deploying side lives. Standard output: around what each script prints, a line that says it begins and one that it has
# ended; standard error: the latter.
#
# When the input ends or falls silent, the deploying side was killed or the network cut: nothing further begins, what
# runs may end within some seconds, then it is ended. Everything started here has the lock's file open, so as long as
# the lock is free, nothing of an earlier run is at work.
set -u
# Lengths are bytes; each script says for itself what its letters are.
export PATH="$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C
token=$1 folder=$2 holder=$3 wait_seconds=$4 silence_seconds=$5 grace_seconds=$6 first=$7
lock=$folder/$8
priority=$9

# A run that is ending by itself, or has nothing left but its last child, is waited for without being asked to.
ending='ending: '

no_lock() {
  printf '\n%s no lock\n' "$token"
  exit 1
}

take_lock() {
  local part
  for part in releases live meta; do
    [ -d "$folder/$part" ] || mkdir -p "$folder/$part" || no_lock
  done
  # Releases hold what containers of any user must read, and no other user of this host; who can open the lock can hold it.
  [ "$(stat -c %a "$folder/releases" "$folder/meta")" = 700$'\n'700 ] || chmod 0700 "$folder/releases" "$folder/meta" || no_lock
  [ -e "$lock" ] || (umask 077 && : >>"$lock") || no_lock
  [ "$(stat -c %a "$lock")" = 600 ] || chmod 0600 "$lock" || no_lock
  exec 9>>"$lock" || no_lock
  local patience=$wait_seconds
  [ "$patience" -gt 0 ] || patience=1
  until flock -w "$patience" 9; do
    local said
    said=$(head -c 400 "$lock" | head -n 1)
    if [ "${said:-$ending}" = "${said#"$ending"}" ] || [ "$patience" = "$((grace_seconds + 5))" ]; then
      said=${said#"$ending"}
      printf '\n%s held by %s\n' "$token" "${said:-a process of an earlier run that does not end}"
      exit 0
    fi
    patience=$((grace_seconds + 5))
  done
  printf '%s\n' "$holder" >"$lock"
}

# Whether a good part of the processors' time since the last look, or at first since a minute ago, was nobody's, or that of scripts of this
# kind, which have a lower priority.
is_calm() {
  local user nice system idle waited further load part before_free=${free-} before_all=${all-}
  { read -r _ user nice system idle waited further && read -r load _ </proc/loadavg; } </proc/stat || return
  free=$((nice + idle + waited)) all=$((user + nice + system + idle + waited))
  for part in $further; do all=$((all + part)); done
  if [ -n "$before_all" ] && [ $((all - before_all)) -gt 0 ]; then
    [ $((4 * (free - before_free))) -ge $((all - before_all)) ]
  else
    [ "${load%.*}" -lt "$(grep -c '^cpu[0-9]' /proc/stat)" ]
  fi
}

# The scripts, each in a process group of its own.
work() {
  local job='' code=0 go_on=yes stops=0 chain number line_bytes input_bytes wanted line
  exec 4>&2 2>/dev/null # what bash itself says of a job that was ended is nothing of the script's
  exec 5<&0             # all that is still to come
  trap 'go_on=no' USR1
  trap stop USR2
  { [ -r /proc/stat ] && command -v chrt && command -v nice; } >/dev/null || priority=full
  set -m
  while [ $go_on = yes ] && read -r chain number line_bytes input_bytes wanted _; do
    IFS= read -r -N "$line_bytes" line || break
    if [ "$chain" = "then" ] && [ "$code" != 0 ]; then
      [ "$input_bytes" = 0 ] || head -c "$input_bytes" >/dev/null
      continue
    fi
    stops=0
    printf '%s begin %s\n' "$token" "$number"
    # What a script does not read of its input must not be taken for the next one, also where it is ended before it could.
    exec 6</dev/null
    [ "$input_bytes" = 0 ] || exec 6< <(head -c "$input_bytes" <&5)
    # Where there is time that nobody else wants, it is enough, and who serves never waits for a script: Linux lets a process run on for some
    # milliseconds whatever its priority, but for one of this class (sched(7), SCHED_IDLE). Where there is none, it would hardly get on.
    [ "$priority" = full ] || [ "$wanted" = full ] || ! is_calm || line="exec chrt -i 0 nice -n 19 ${line#exec }"
    (eval "$line") <&6 2>&4 4>&- 5<&- 6<&- &
    job=$!
    # The signal that stops a script ends the waiting too.
    while kill -0 "$job"; do wait "$job"; done
    wait "$job"
    code=$?
    # What it has started may outlive it.
    [ $stops = 0 ] || kill -KILL -- "-$job"
    job=''
    [ "$input_bytes" = 0 ] || cat <&6 >/dev/null
    printf '\n%s end %s\n' "$token" "$number" >&4
    printf '\n%s end %s %s\n' "$token" "$number" "$code"
  done
}

# Between two scripts, what was to come after the last one does not.
stop() {
  stops=$((stops + 1))
  if [ -z "$job" ]; then
    code=143
  elif [ $stops = 1 ]; then
    kill -TERM -- "-$job"
  else
    kill -KILL -- "-$job"
  fi
}

# The next $1 bytes of the input. One that stops in the middle is as silent as one that says nothing.
pass_on() {
  local left=$1 part
  while [ "$left" -gt 0 ]; do
    part=$((left < 65536 ? left : 65536))
    timeout "$silence_seconds" head -c "$part" || return
    left=$((left - part))
  done
}

[ -z "$holder" ] || take_lock
exec 3>&1
coproc WORK { exec 3>&-; work; } >&3
exec 3>&-
worker=$WORK_PID
# What a login prints may have no line end.
printf '\n%s ready %s\n' "$token" "$$"
[ -z "$first" ] || printf 'run 1 %s 0 gentle first\n%s' "${#first}" "$first" >&"${WORK[1]}"
while IFS= read -r -t "$silence_seconds" header; do
  # Without the one who runs them, no script would ever end.
  kill -0 "$worker" 2>/dev/null || break
  case $header in
    '') ;;
    stop) kill -USR2 "$worker" ;;
    *)
      read -r _ _ line_bytes input_bytes _ <<<"$header"
      IFS= read -r -t "$silence_seconds" -N "$line_bytes" line || break
      { printf '%s\n%s' "$header" "$line" && pass_on "$input_bytes"; } >&"${WORK[1]}" || break
      ;;
  esac
done
[ -z "$holder" ] || printf '%s%s\n' "$ending" "$holder" >"$lock"
kill -USR1 "$worker" 2>/dev/null
[ -z "${WORK[1]-}" ] || eval "exec ${WORK[1]}>&-"
gone_within() {
  local looks=$(($1 * 50))
  while kill -0 "$worker"; do
    [ $((looks -= 1)) -gt 0 ] || return 1
    sleep 0.02
  done
} 2>/dev/null
if ! gone_within "$grace_seconds"; then
  kill -USR2 "$worker"
  gone_within 2 || kill -USR2 "$worker"
fi
wait "$worker"
if [ -n "$holder" ]; then
  # What never became a release, of this run or of one that was killed: nobody is at work on it while the lock is held.
  rm -rf "$folder"/releases/.incoming-* "$folder"/releases/.unpacked-* "$folder"/releases/.build-* "$folder"/meta/.new-* "$folder"/meta/.lines-*
  : >"$lock"
fi
