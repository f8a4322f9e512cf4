#!/bin/sh
# Named bash or ssh and first in the PATH of the tool. The shell on the host goes through cut.py; of the other
# commands that the tool itself starts, the one to cut at kills it, before it runs or a while after. All else is real.
program=${0##*/}
real=/usr/bin/$program
case $(readlink "/proc/$PPID/exe") in */xtask) of_tool=yes ;; *) of_tool=no ;; esac
shell=no
case $program in
  bash) case $of_tool$1$2 in 'yes-c# Runs the scripts of one run'*) shell=yes ;; esac ;;
  ssh) for word in "$@"; do [ "$word" != -M ] || shell=yes; done ;;
esac
[ $shell = no ] || exec "$CUT_PYTHON" "$CUT_FOLDER/cut.py" "$real" "$@"
if [ $of_tool = yes ]; then
  case "$program $*" in
    *'# Keeps what comes'* | *copy-the-archive*) name='beside: copy' ;;
    *'# Watches the container'* | *watch-the-container*) name='beside: watch' ;;
    *) exec "$real" "$@" ;;
  esac
  printf '0\t%s\t0.100\n' "$name" >>"$CUT_FOLDER/talk"
  read -r kind rest <"$CUT_FOLDER/at"
  case "$kind $rest" in
    "before $name") kill -KILL "$PPID"; exit 1 ;;
    "while $name "*) (sleep "${rest##* }"; kill -KILL "$PPID") >/dev/null 2>&1 </dev/null & ;;
  esac
fi
exec "$real" "$@"
