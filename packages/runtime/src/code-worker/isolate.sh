# Runs as the first process of a code worker's own mount and process namespaces: hides what is the platform's, leaves the
# worker its own directories, and becomes its program.
#   isolate.sh WORKING_DIRECTORY SCRATCH OUTER... -- HIDDEN... -- INNER... -- PROGRAM...
# OUTER lie in /tmp, INNER in hidden directories; together they are at most four. They and the working directory can be
# read and not be written.
set -e
working=$1
scratch=$2
shift 2

# Descriptors lead to directories that are hidden by then: 4 and 5, then OUTER and INNER in their order.
exec 4<"$working" 5<"$scratch"
part=outer
next=6
for word in "$@"; do
  case $part$word in
    outer--) part=hidden ;;
    hidden--) part=inner ;;
    inner--) break ;;
    hidden*) ;;
    *)
      eval "exec $next<\"\$word\""
      next=$((next + 1))
      ;;
  esac
done

keep() {
  mkdir -p "$2"
  mount -c --bind "/proc/self/fd/$1" "$2"
  [ "$3" = writable ] || mount -o remount,bind,ro "$2"
}

# A directory for temporary files that no other process sees.
mount -c --bind /proc/self/fd/5 /tmp
next=6
while [ "$1" != -- ]; do
  keep "$next" "$1" fixed
  next=$((next + 1))
  shift
done
shift
while [ "$1" != -- ]; do
  [ ! -d "$1" ] || mount -t tmpfs -o size=1m,mode=755 none "$1"
  shift
done
shift
keep 5 "$scratch" writable
while [ "$1" != -- ]; do
  keep "$next" "$1" fixed
  next=$((next + 1))
  shift
done
shift
keep 4 "$working" fixed
exec 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-
cd "$working"
exec "$@"
