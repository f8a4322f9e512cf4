#!/bin/sh
# Named bash or ssh and first in the PATH of the tool. The shell on the host goes through cut.py; of the other
# commands that the tool itself starts, the one to cut at kills it, before it runs or a while after. All else is real. The
# tool gives few variables to what it starts, so all that is needed lies beside this file.
program=${0##*/} folder=${0%/*}
real=/usr/bin/$program
case $(readlink "/proc/$PPID/exe") in */xtask) of_tool=yes ;; *) of_tool=no ;; esac
shell=no
case $program in
  bash) case $of_tool$1$2 in 'yes-c# Runs the scripts of one run'*) shell=yes ;; esac ;;
  ssh) for word in "$@"; do [ "$word" != -M ] || shell=yes; done ;;
esac
if [ $shell = yes ]; then
  read -r python <"$folder/python"
  exec "$python" "$folder/cut.py" "$real" "$@"
fi
if [ $of_tool = yes ]; then
  case "$program $*" in
    *'# Keeps what comes'* | *copy-the-archive*) name='beside: copy' ;;
    *'# Watches the container'* | *watch-the-container*) name='beside: watch' ;;
    *) exec "$real" "$@" ;;
  esac
  printf '0\t%s\t0.100\n' "$name" >>"$folder/talk"
  read -r kind rest <"$folder/at"
  case "$kind $rest" in
    "before $name") kill -KILL "$PPID"; exit 1 ;;
    "while $name "*) (sleep "${rest##* }"; kill -KILL "$PPID") >/dev/null 2>&1 </dev/null & ;;
  esac
fi
exec "$real" "$@"
