# Waits until its input ends, which happens when the replica does, however it does; then ends every process that has the
# given words in its environment.
#   end-marked.sh MARK
cat >/dev/null
round=0
while [ $round -lt 100 ]; do
  found=$(grep -Fls "$1" /proc/[0-9]*/environ)
  [ -n "$found" ] || exit 0
  for file in $found; do
    pid=${file#/proc/}
    kill -KILL "${pid%/environ}" 2>/dev/null
  done
  round=$((round + 1))
done
